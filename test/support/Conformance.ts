/**
 * Cases of a WebSocket client's conformance to RFC 6455, in the groups of the Autobahn test suite: what the server writes, and what
 * a client that echoes each message must make of it.
 */
import { closing, frame, opcodes, type Upgrade } from "./RawPeer.ts"

const { binary, close, continuation, ping, pong, text } = opcodes

/** How a connection ends: by a closing handshake with a code, or by the client, which fails it with one of these. */
export type End =
  | { readonly _tag: "Closed"; readonly code: number | undefined }
  | { readonly _tag: "Failed"; readonly codes: ReadonlyArray<number> }

export interface Case {
  readonly name: string
  readonly writes: ReadonlyArray<Buffer>
  /** Bytes of each write. Default: all at once. */
  readonly chop?: number
  /** Messages that the client gets, and echoes; as text unless said otherwise. */
  readonly messages?: ReadonlyArray<Buffer>
  readonly echoes?: "text" | "binary"
  readonly pongs?: ReadonlyArray<Buffer>
  readonly end: End
  readonly upgrade?: Upgrade
  /** The client's limit of a message in bytes. */
  readonly limit?: number
}

export interface Group {
  readonly title: string
  readonly cases: ReadonlyArray<Case>
}

const normal = frame({ opcode: close }, closing(1000))
const ok: End = { _tag: "Closed", code: 1000 }
const failed = (...codes: ReadonlyArray<number>): End => ({ _tag: "Failed", codes })
const protocolError = failed(1002)
const invalidText = failed(1007)

/** Messages come through, and the server closes. */
const passes = (
  name: string,
  writes: ReadonlyArray<Buffer>,
  messages: ReadonlyArray<Buffer | string>,
  more: Partial<Case> = {}
): Case => ({
  name,
  writes: [...writes, normal],
  messages: messages.map((message) => Buffer.from(message)),
  end: ok,
  ...more
})

/** The client fails the connection; nothing behind the violation reaches the program. */
const fails = (
  name: string,
  writes: ReadonlyArray<Buffer>,
  end: End = protocolError,
  messages: ReadonlyArray<string> = [],
  more: Partial<Case> = {}
): Case => ({ name, writes, messages: messages.map((message) => Buffer.from(message)), end, ...more })

const hello = frame({ opcode: text }, "Hello")

/** The same case with all bytes at once, and octet by octet. */
const bothWays = (make: (chop: Partial<Case>, how: string) => Case): ReadonlyArray<Case> => [
  make({}, "at once"),
  make({ chop: 1 }, "octet by octet")
]

const kinds = ["text", "binary"] as const
const sizes = [0, 1, 125, 126, 127, 128, 65_535, 65_536]

const framing: Group = {
  title: "1 Framing",
  cases: kinds.flatMap((echoes) =>
    sizes
      .map((size): Case => {
        const payload = Buffer.alloc(size, "*")
        return passes(`${echoes} of ${size} bytes`, [frame({ opcode: opcodes[echoes] }, payload)], [payload], {
          echoes
        })
      })
      .concat(
        [997, 1].map((chop) => {
          const payload = Buffer.alloc(chop === 1 ? 1000 : 65_536, "*")
          const name = `${echoes} of ${payload.length} bytes in pieces of ${chop}`
          return passes(name, [frame({ opcode: opcodes[echoes] }, payload)], [payload], { echoes, chop })
        })
      )
  )
}

const control: Group = {
  title: "2 Pings and pongs",
  cases: [
    ...["", "Hello, world", Buffer.from([0, 255, 254, 253, 252, 251, 0]), Buffer.alloc(125, 0xfe)].flatMap((payload) =>
      bothWays((chop, how) =>
        passes(`ping of ${payload.length} bytes, ${how}`, [frame({ opcode: ping }, payload)], [], {
          pongs: [Buffer.from(payload)],
          ...chop
        })
      )
    ),
    fails("ping of 126 bytes", [frame({ opcode: ping }, Buffer.alloc(126))]),
    fails("pong of 126 bytes", [frame({ opcode: pong }, Buffer.alloc(126))]),
    passes("unsolicited pong without a payload", [frame({ opcode: pong })], []),
    passes("unsolicited pong with a payload", [frame({ opcode: pong }, "unsolicited")], []),
    passes(
      "unsolicited pong, then a ping",
      [frame({ opcode: pong }, "unsolicited"), frame({ opcode: ping }, "ping")],
      [],
      {
        pongs: [Buffer.from("ping")]
      }
    ),
    ...bothWays((chop, how) =>
      passes(
        `ten pings, ${how}`,
        Array.from({ length: 10 }, (_, n) => frame({ opcode: ping }, `payload-${n}`)),
        [],
        { pongs: Array.from({ length: 10 }, (_, n) => Buffer.from(`payload-${n}`)), ...chop }
      )
    )
  ]
}

const reserved: Group = {
  title: "3 Reserved bits",
  cases: [1, 2, 3, 4, 5, 6, 7].flatMap((rsv) => [
    fails(`text with RSV ${rsv}`, [frame({ opcode: text, rsv }, "Hello")]),
    fails(
      `text with RSV ${rsv} behind a good one`,
      [hello, frame({ opcode: text, rsv }, "Hello"), frame({ opcode: ping })],
      protocolError,
      ["Hello"]
    ),
    fails(
      `text with RSV ${rsv}, octet by octet`,
      [hello, frame({ opcode: text, rsv }, "Hello")],
      protocolError,
      ["Hello"],
      { chop: 1 }
    ),
    fails(`binary with RSV ${rsv}`, [frame({ opcode: binary, rsv }, Buffer.alloc(8))]),
    fails(`ping with RSV ${rsv}`, [frame({ opcode: ping, rsv }, "Hello")]),
    fails(`close with RSV ${rsv}`, [frame({ opcode: close, rsv }, closing(1000))])
  ])
}

const opcodeCases: Group = {
  title: "4 Reserved opcodes",
  cases: [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode) => [
    fails(`opcode ${opcode} without a payload`, [frame({ opcode })]),
    fails(`opcode ${opcode} with a payload`, [frame({ opcode }, "reserved opcode payload")]),
    fails(
      `opcode ${opcode} behind a good message`,
      [hello, frame({ opcode }, "reserved"), frame({ opcode: ping })],
      protocolError,
      ["Hello"]
    )
  ])
}

const part = (opcode: number, payload: string | Uint8Array, fin = false) => frame({ opcode, fin }, payload)
const two = (first: Buffer, ...between: ReadonlyArray<Buffer>) => [
  first,
  ...between,
  part(continuation, "fragment2", true)
]
const whole = "fragment1fragment2"

const fragmentation: Group = {
  title: "5 Fragmentation",
  cases: [
    fails("ping in two fragments", [part(ping, "fragment1"), part(continuation, "fragment2", true)]),
    fails("pong in two fragments", [part(pong, "fragment1"), part(continuation, "fragment2", true)]),
    fails("close in two fragments", [part(close, closing(1000)), part(continuation, "", true)]),
    ...bothWays((chop, how) => passes(`text in two fragments, ${how}`, two(part(text, "fragment1")), [whole], chop)),
    ...bothWays((chop, how) =>
      passes(
        `text in two fragments with a ping between, ${how}`,
        two(part(text, "fragment1"), frame({ opcode: ping }, "ping")),
        [whole],
        {
          pongs: [Buffer.from("ping")],
          ...chop
        }
      )
    ),
    passes("binary in two fragments", two(part(binary, "fragment1")), [whole], { echoes: "binary" }),
    passes("text in three fragments, the middle one empty", two(part(text, "fragment1"), part(continuation, "")), [
      whole
    ]),
    passes(
      "text in three empty fragments",
      [part(text, ""), part(continuation, ""), part(continuation, "", true)],
      [""]
    ),
    ...bothWays((chop, how) =>
      passes(
        `text in a fragment for each octet, ${how}`,
        [part(text, ""), ...[..."fragments"].map((octet) => part(continuation, octet)), part(continuation, "", true)],
        ["fragments"],
        chop
      )
    ),
    ...[true, false].flatMap((fin) =>
      bothWays((chop, how) =>
        fails(
          `continuation without a beginning, FIN ${Number(fin)}, ${how}`,
          [part(continuation, "stray", fin), hello],
          protocolError,
          [],
          chop
        )
      )
    ),
    fails(
      "continuation behind a finished message",
      [...two(part(text, "fragment1")), part(continuation, "stray", true)],
      protocolError,
      [whole]
    ),
    fails("text within a fragmented text", [part(text, "fragment1"), frame({ opcode: text }, "fragment2")]),
    fails("binary within a fragmented text", [part(text, "fragment1"), frame({ opcode: binary }, "fragment2")]),
    fails("fragments of two messages, mixed", [
      part(text, "fragment1"),
      part(text, "fragment2"),
      part(continuation, "", true)
    ]),
    passes(
      "five fragments with two pings between",
      [
        part(text, "1"),
        part(continuation, "2"),
        frame({ opcode: ping }, "a"),
        part(continuation, "3"),
        part(continuation, "4"),
        frame({ opcode: ping }, "b"),
        part(continuation, "5", true)
      ],
      ["12345"],
      { pongs: [Buffer.from("a"), Buffer.from("b")] }
    )
  ]
}

/** Texts whose code points have from one to four octets, with those at the ends of each range. */
const texts: ReadonlyArray<string> = [
  "Hello-µ@ßöäüàá-UTF-8!!",
  "κόσμε",
  "\u0000",
  "\u007f",
  "\u0080",
  "\u07ff",
  "\u0800",
  "\ud7ff",
  "\ue000",
  "\ufffd",
  "\ufffe",
  "\uffff",
  "\u{10000}",
  "\u{1fffe}",
  "\u{10ffff}",
  "👩‍👩‍👧‍👦 and 日本語"
]

/** Octets that are no UTF-8, behind a text that is. */
const invalid: ReadonlyArray<readonly [name: string, octets: ReadonlyArray<number>]> = [
  ["a continuation octet alone (first)", [0x80]],
  ["a continuation octet alone (last)", [0xbf]],
  ["six continuation octets", [0x80, 0xbf, 0x80, 0xbf, 0x80, 0xbf]],
  ["a start of two octets alone", [0xc3, 0x20]],
  ["a start of three octets alone", [0xe2, 0x20]],
  ["a start of four octets alone", [0xf0, 0x20]],
  ["a start of five octets", [0xf8, 0x88, 0x80, 0x80, 0x80]],
  ["a start of six octets", [0xfc, 0x84, 0x80, 0x80, 0x80, 0x80]],
  ["three octets of which the last is missing", [0xe2, 0x82]],
  ["four octets of which the last is missing", [0xf0, 0x9f, 0x98]],
  ["the octet fe", [0xfe]],
  ["the octet ff", [0xff]],
  ["an overlong slash in two octets", [0xc0, 0xaf]],
  ["an overlong slash in three octets", [0xe0, 0x80, 0xaf]],
  ["an overlong slash in four octets", [0xf0, 0x80, 0x80, 0xaf]],
  ["an overlong NUL in two octets", [0xc0, 0x80]],
  ["the longest overlong of two octets", [0xc1, 0xbf]],
  ["the longest overlong of three octets", [0xe0, 0x9f, 0xbf]],
  ["the longest overlong of four octets", [0xf0, 0x8f, 0xbf, 0xbf]],
  ["the first high surrogate", [0xed, 0xa0, 0x80]],
  ["the last high surrogate", [0xed, 0xaf, 0xbf]],
  ["the first low surrogate", [0xed, 0xb0, 0x80]],
  ["the last low surrogate", [0xed, 0xbf, 0xbf]],
  ["a pair of surrogates", [0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80]],
  ["a code point over 10ffff", [0xf4, 0x90, 0x80, 0x80]],
  ["a code point far over 10ffff", [0xf7, 0xbf, 0xbf, 0xbf]]
]

/** One fragment for each octet, so that code points are split at each place. */
const perOctet = (bytes: Buffer): ReadonlyArray<Buffer> => [
  part(text, bytes.subarray(0, 1)),
  ...Array.from(bytes.subarray(1), (octet) => part(continuation, Buffer.from([octet]))),
  part(continuation, "", true)
]

const utf8: Group = {
  title: "6 UTF-8",
  cases: [
    ...texts.flatMap((content) => {
      const bytes = Buffer.from(content)
      const name = JSON.stringify(content.slice(0, 8))
      return bothWays((chop, how) =>
        passes(`${name} in one frame, ${how}`, [frame({ opcode: text }, bytes)], [bytes], chop)
      ).concat(passes(`${name} with a fragment for each octet`, perOctet(bytes), [bytes]))
    }),
    ...invalid.flatMap(([name, octets]) => {
      const bytes = Buffer.concat([Buffer.from("κόσμε"), Buffer.from(octets)])
      return bothWays((chop, how) =>
        fails(`${name} in one frame, ${how}`, [frame({ opcode: text }, bytes)], invalidText, [], chop)
      ).concat(
        fails(`${name} with a fragment for each octet`, perOctet(bytes), invalidText),
        passes(`${name}, but in a binary message`, [frame({ opcode: binary }, bytes)], [bytes], { echoes: "binary" })
      )
    })
  ]
}

const answered = (code: number | undefined): End => ({ _tag: "Closed", code })
const valid = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4004, 4999]
const notValid = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]

const closes: Group = {
  title: "7 Closing",
  cases: [
    passes("a message, then a close", [hello], ["Hello"]),
    ...[frame({ opcode: close }, closing(1000)), hello, frame({ opcode: ping }, "late")].map((late, n) => ({
      name: `what comes behind a close is not heard (${["another close", "a text", "a ping"][n] ?? ""})`,
      writes: [normal, late],
      end: ok
    })),
    {
      name: "a close within a fragmented message",
      writes: [part(text, "fragment1"), normal, part(continuation, "2", true)],
      end: ok
    },
    { name: "a close without a payload", writes: [frame({ opcode: close })], end: answered(undefined) },
    fails("a close with a payload of one byte", [frame({ opcode: close }, "a")]),
    { name: "a close with a reason", writes: [frame({ opcode: close }, closing(1000, "Hello World!"))], end: ok },
    {
      name: "a close with the longest reason",
      writes: [frame({ opcode: close }, closing(1000, "*".repeat(123)))],
      end: ok
    },
    fails("a close with a reason that is too long", [frame({ opcode: close }, closing(1000, "*".repeat(124)))]),
    fails(
      "a close with a reason that is no UTF-8",
      [frame({ opcode: close }, closing(1000, Buffer.from([0xce, 0xba, 0xed, 0xa0, 0x80])))],
      invalidText
    ),
    ...valid.map((code) => ({
      name: `a close with ${code}`,
      writes: [frame({ opcode: close }, closing(code))],
      end: answered(code)
    })),
    ...notValid.flatMap((code) => [
      fails(`a close with ${code}`, [frame({ opcode: close }, closing(code))]),
      fails(`a close with ${code} and a reason`, [frame({ opcode: close }, closing(code, "reason"))])
    ])
  ]
}

const kib = 1024
const large = (echoes: "text" | "binary", size: number) => Buffer.alloc(size, echoes === "text" ? "é" : "\u0001")

const inFragments = (opcode: number, payload: Buffer, size: number): ReadonlyArray<Buffer> =>
  Array.from({ length: Math.ceil(payload.length / size) }, (_, n) =>
    part(n === 0 ? opcode : continuation, payload.subarray(n * size, (n + 1) * size), (n + 1) * size >= payload.length)
  )

const limits: Group = {
  title: "9 Sizes and limits",
  cases: [
    ...kinds.flatMap((echoes) =>
      [64, 256, 1024, 4096, 8192, 16_384]
        .map((size): Case => {
          const payload = large(echoes, size * kib)
          return passes(`${echoes} of ${size} KiB`, [frame({ opcode: opcodes[echoes] }, payload)], [payload], {
            echoes
          })
        })
        .concat(
          [1, 4, 64, 256, 1024].map((size) => {
            const payload = large(echoes, 1024 * kib)
            const writes = inFragments(opcodes[echoes], payload, size * kib)
            return passes(`${echoes} of 1 MiB in fragments of ${size} KiB`, writes, [payload], { echoes })
          })
        )
    ),
    passes(
      "1000 short messages",
      Array.from({ length: 1000 }, (_, n) => frame({ opcode: text }, String(n))),
      Array.from({ length: 1000 }, (_, n) => String(n))
    ),
    passes("a message of the limit", [frame({ opcode: text }, Buffer.alloc(5000, "*"))], [Buffer.alloc(5000, "*")], {
      limit: 5000
    }),
    fails("a message over the limit", [frame({ opcode: text }, Buffer.alloc(5001, "*"))], failed(1009), [], {
      limit: 5000
    }),
    fails("fragments over the limit together", inFragments(text, Buffer.alloc(5001, "*"), 100), failed(1009), [], {
      limit: 5000
    }),
    fails(
      "a frame that says it has 2^63 bytes",
      [Buffer.from([0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0])],
      failed(1009, 1002)
    ),
    fails("a masked frame", [Buffer.from([0x81, 0x81, 1, 2, 3, 4, 0x40])])
  ]
}

/** The upgrade is not taken, and no frame is sent. */
const refuses = (name: string, upgrade: Upgrade): Case => ({ name, writes: [hello], end: failed(), upgrade })

const deflate: Group = {
  title: "12 permessage-deflate, and the upgrade",
  cases: [
    refuses("an extension that was not asked for", { headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } }),
    refuses("an extension that was not asked for, with parameters", {
      headers: {
        "Sec-WebSocket-Extensions": "permessage-deflate; server_no_context_takeover; client_max_window_bits=10"
      }
    }),
    refuses("an extension that nobody knows", { headers: { "Sec-WebSocket-Extensions": "x-none" } }),
    refuses("a subprotocol that was not asked for", { headers: { "Sec-WebSocket-Protocol": "chat" } }),
    refuses("a wrong Sec-WebSocket-Accept", { headers: { "Sec-WebSocket-Accept": "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" } }),
    refuses("no Sec-WebSocket-Accept", { headers: { "Sec-WebSocket-Accept": undefined } }),
    refuses("an Upgrade to something else", { headers: { Upgrade: "h2c" } }),
    refuses("status 200", { status: "200 OK", headers: { "Content-Length": "0" } }),
    fails("a compressed text (RSV 1)", [
      frame({ opcode: text, rsv: 4 }, Buffer.from([0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]))
    ]),
    passes("nothing compressed, as agreed", [hello], ["Hello"])
  ]
}

export const groups: ReadonlyArray<Group> = [
  framing,
  control,
  reserved,
  opcodeCases,
  fragmentation,
  utf8,
  closes,
  limits,
  deflate
]
