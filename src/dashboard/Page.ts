/**
 * The dashboard's HTML. Its script fills in the values.
 */

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

/** The page with a title. */
export const page = (title: string): string => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <meta name="robots" content="noindex">
    <title>${escaped(title)}</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="page.css">
    <script src="page.js" defer></script>
  </head>
  <body>
    <header>
      <h1>${escaped(title)}</h1>
      <p id="connection" role="status" hidden>The connection to the bot is lost, trying again …</p>
      <button id="theme" type="button" aria-label="Switch between dark and light">◐</button>
    </header>
    <main>
      <section id="summary" aria-label="Summary">
        <p id="headline" role="status">Waiting for the bot …</p>
        <p id="detail"></p>
      </section>
      <section id="figures" aria-label="Figures">
        <div class="tile plot">
          <h2>Events per second</h2>
          <p class="value" id="rate">–</p>
          <svg id="rate-plot" viewBox="0 0 300 60" preserveAspectRatio="none" role="img" aria-label="Events per second, last five minutes"></svg>
          <p class="scale"><span>5 min ago</span><span id="rate-most"></span><span>now</span></p>
        </div>
        <div class="tile plot">
          <h2>Heartbeat latency, median</h2>
          <p class="value" id="latency">–</p>
          <svg id="latency-plot" viewBox="0 0 300 60" preserveAspectRatio="none" role="img" aria-label="Latency, last five minutes"></svg>
          <p class="scale"><span>5 min ago</span><span id="latency-most"></span><span>now</span></p>
        </div>
        <div class="tile">
          <h2>IDENTIFYs left today</h2>
          <p class="value" id="budget">–</p>
          <div class="bar"><div id="budget-bar"></div></div>
          <p class="note" id="budget-note"></p>
        </div>
      </section>
      <section id="relay" aria-labelledby="relay-title" hidden>
        <h2 id="relay-title">Relay</h2>
        <p id="held" role="status" hidden></p>
        <div class="tiles">
          <div class="tile">
            <h3>Not acknowledged</h3>
            <p class="value" id="depth">–</p>
            <p class="note" id="age"></p>
          </div>
          <div class="tile">
            <h3>Consumers</h3>
            <p class="value" id="consumers">–</p>
            <p class="note" id="consumers-note"></p>
          </div>
          <div class="tile">
            <h3>Dead letters</h3>
            <p class="value" id="dead">–</p>
            <p class="note" id="dead-note"></p>
          </div>
          <div class="tile">
            <h3>Written to the broker</h3>
            <p class="value" id="published">–</p>
            <p class="note">since the relay's start</p>
          </div>
        </div>
      </section>
      <section aria-labelledby="shards-title">
        <h2 id="shards-title">Shards</h2>
        <ul id="legend"></ul>
        <div id="grid" role="group" aria-label="Shards; arrow keys move between them"></div>
        <p id="shard" aria-live="polite">&nbsp;</p>
      </section>
      <section aria-labelledby="changes-title">
        <h2 id="changes-title">Connection changes</h2>
        <ol id="changes"></ol>
      </section>
    </main>
    <footer id="footer"></footer>
    <noscript>This page needs JavaScript.</noscript>
  </body>
</html>
`
