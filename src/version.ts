/** This package's version: sent to Discord as part of the user agent, shown by the command line. */
export const version = "0.1.0"
