#!/usr/bin/env node
/**
 * The executable `disruption-gateway`. It turns on V8's compile cache, where Node.js has one (22.1), before anything that is
 * worth caching is loaded.
 */
import * as nodeModule from "node:module"

if ("enableCompileCache" in nodeModule) nodeModule.enableCompileCache()

const { main } = await import("./DisruptionGateway.ts")
main()
