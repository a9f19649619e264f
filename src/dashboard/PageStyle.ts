/**
 * The dashboard's style: dark and light, from a phone's width to a wall's, for one shard and for thousands.
 *
 * Each state has a colour and a sign, for readers who cannot tell the colours apart. Text has a contrast of 4.5 : 1 at least.
 */
export const style = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f4f5f8, #14161c);
  --tile: light-dark(#ffffff, #1d2028);
  --edge: light-dark(#dcdfe6, #2c303b);
  --text: light-dark(#1c1f26, #e8eaf0);
  --quiet: light-dark(#5c6370, #9aa2b1);
  --ready: light-dark(#28854d, #28854d);
  --resuming: light-dark(#0d8093, #148091);
  --identifying: light-dark(#3767d6, #306cf2);
  --queued: light-dark(#7a63c4, #7d5fda);
  --connecting: light-dark(#9a6d00, #966e10);
  --greeting: light-dark(#9a6d00, #966e10);
  --waiting: light-dark(#c3511c, #c2531e);
  --stopped: light-dark(#c02537, #d83649);
  --curve: light-dark(#3767d6, #6f9bff);
}
:root[data-theme="light"] { color-scheme: light; }
:root[data-theme="dark"] { color-scheme: dark; }
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1rem 1.25rem 2rem; max-width: 88rem; background: var(--ground); color: var(--text);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; font-variant-numeric: tabular-nums;
}
h1, h2, p, ul, ol { margin: 0; padding: 0; }
h1 { font-size: 1.15rem; font-weight: 650; }
h2, h3 { font-size: 0.82rem; font-weight: 600; color: var(--quiet); margin: 0; }
header { display: flex; align-items: center; gap: 1rem; margin-bottom: 1rem; }
header button { margin-left: auto; }
#connection { color: light-dark(#c02537, #ff7b89); font-weight: 600; }
button {
  font: inherit; color: inherit; background: var(--tile); border: 1px solid var(--edge); border-radius: 8px;
  cursor: pointer;
}
#theme { width: 2.25rem; height: 2.25rem; }
button:focus-visible { outline: 3px solid var(--curve); outline-offset: 2px; }
section { margin-bottom: 1.5rem; }
#summary { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; align-items: baseline; }
#headline { font-size: 1.7rem; font-weight: 650; }
#headline::before {
  content: ""; display: inline-block; width: 0.8em; height: 0.8em; margin-right: 0.45em; border-radius: 50%;
  vertical-align: -0.05em; background: var(--quiet);
}
#headline.good::before { background: var(--ready); }
#headline.fair::before { background: var(--connecting); }
#headline.bad::before { background: var(--stopped); }
#detail { color: var(--quiet); }
#figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 1rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 1rem; margin-top: 0.5rem; }
#held { margin-top: 0.4rem; font-weight: 600; color: light-dark(#a34a12, #f0a071); }
.note.alert { color: light-dark(#a34a12, #f0a071); font-weight: 600; }
.tile { background: var(--tile); border: 1px solid var(--edge); border-radius: 12px; padding: 0.9rem 1rem; min-width: 0; }
.value { font-size: 1.6rem; font-weight: 600; }
.plot svg { display: block; width: 100%; height: 60px; margin-top: 0.4rem; border-bottom: 1px solid var(--edge); }
.plot path { fill: none; stroke: var(--curve); stroke-width: 1.8; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.plot path.area { stroke: none; fill: var(--curve); opacity: 0.13; }
.scale { display: flex; justify-content: space-between; font-size: 0.75rem; color: var(--quiet); margin-top: 0.2rem; }
.bar { height: 8px; border-radius: 4px; background: var(--edge); overflow: hidden; margin: 1.1rem 0 0.6rem; }
.bar div { height: 100%; width: 0; background: var(--ready); }
.bar div.low { background: var(--stopped); }
.note { color: var(--quiet); font-size: 0.85rem; }
#legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0.3rem 1.1rem; margin: 0.5rem 0 0.7rem; font-size: 0.85rem; }
#legend li { display: flex; align-items: center; gap: 0.4rem; }
#legend .sign { width: 1.15rem; height: 1.15rem; font-size: 0.72rem; }
.sign, #grid button { display: grid; place-items: center; color: #fff; font-weight: 700; border-radius: 4px; line-height: 1; }
#grid { display: grid; gap: 3px; grid-template-columns: repeat(auto-fill, minmax(var(--cell, 24px), 1fr)); }
#grid button { border: 0; padding: 0; height: var(--cell, 24px); font-size: 0.7rem; overflow: hidden; }
#grid.few { gap: 8px; grid-template-columns: repeat(auto-fill, minmax(var(--cell), 1fr)); }
#grid.few button { height: 4.6rem; border-radius: 10px; font-size: 0.85rem; align-content: center; gap: 0.3rem; }
#grid.few button b { font-size: 1.15rem; }
#grid.few button span { font-weight: 500; }
#grid.many { gap: 2px; }
#grid.many button { font-size: 0.55rem; border-radius: 3px; }
#grid button.picked { outline: 3px solid var(--text); outline-offset: 1px; }
[data-state="ready"] { background: var(--ready); }
[data-state="resuming"] { background: var(--resuming); }
[data-state="identifying"] { background: var(--identifying); }
[data-state="queued"] { background: var(--queued); }
[data-state="connecting"], [data-state="greeting"] { background: var(--connecting); }
[data-state="waiting"] { background: var(--waiting); }
[data-state="stopped"] { background: var(--stopped); }
#shard { margin-top: 0.6rem; min-height: 1.45em; color: var(--quiet); }
#changes {
  list-style: none; margin-top: 0.5rem; background: var(--tile); border: 1px solid var(--edge); border-radius: 12px;
  padding: 0.5rem 1rem; height: 19rem; overflow-y: auto; font-size: 0.86rem;
}
#changes li { display: grid; grid-template-columns: 4.9rem 5.6rem 1fr; gap: 0.5rem; padding: 0.12rem 0; }
#changes time, #changes .of { color: var(--quiet); }
#changes li > :last-child { overflow-wrap: anywhere; }
#changes .Warn { color: light-dark(#a34a12, #f0a071); }
#changes .Error, #changes .Fatal { color: light-dark(#c02537, #ff7b89); font-weight: 600; }
#changes .empty { display: block; color: var(--quiet); }
footer { color: var(--quiet); font-size: 0.8rem; }
@media (max-width: 40rem) {
  #headline { font-size: 1.3rem; }
  #changes li { grid-template-columns: 4.5rem 1fr; }
  #changes li > :last-child { grid-column: 1 / -1; padding-bottom: 0.3rem; }
}
`
