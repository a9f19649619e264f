/**
 * How much of a thing a test does: a tenth as much in `npm test` as in `npm run test:system`, which sets SCALE.
 */
export const scaled = (full: number): number => (process.env["SCALE"] === "full" ? full : Math.ceil(full / 10))
