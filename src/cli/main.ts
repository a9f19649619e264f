#!/usr/bin/env node
/**
 * The executable `disruption-gateway`. It enables V8's compile cache (Node.js 22.1 and later) before it loads the rest.
 */
import * as nodeModule from "node:module"

if ("enableCompileCache" in nodeModule) nodeModule.enableCompileCache()

const { main } = await import("./DisruptionGateway.ts")
main()
