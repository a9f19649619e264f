/**
 * `disruption-gateway/dashboard`: how the shards of a bot are doing, in a browser, as routes of `effect/http`. Free of any platform's modules.
 */
export { type DashboardOptions, GatewayDashboard } from "./dashboard/GatewayDashboard.ts"
