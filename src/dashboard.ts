/**
 * `disruption-gateway/dashboard`: a page that shows how a bot is doing, and what a supervisor asks, as routes of `effect/http`. Free of any platform's
 * modules.
 */
export * as GatewayDashboard from "./dashboard/GatewayDashboard.ts"
export * as GatewayHealth from "./dashboard/GatewayHealth.ts"
