/**
 * `disruption-gateway/dashboard`: a status page for a bot, as routes of `effect/http`. Free of any platform's modules.
 */
export { type DashboardOptions, GatewayDashboard } from "./dashboard/GatewayDashboard.ts"
