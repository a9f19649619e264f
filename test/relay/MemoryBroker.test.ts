import { describe } from "@effect/vitest"
import * as MemoryBroker from "../../src/relay/MemoryBroker.ts"
import { contract } from "./BrokerContract.ts"

describe("a broker in memory", () => {
  contract((options) => MemoryBroker.layer({ name: "test", ...options }))
})
