/** Security types and results (RFC 6143, 7.1.2 and 7.1.3). */
export const SECURITY = { invalid: 0, none: 1, vncAuthentication: 2 } as const;
export const SECURITY_OK = 0;
export const SECURITY_FAILED = 1;
/** Of VNC authentication: what a server sends, and what a client answers. */
export const CHALLENGE_BYTES = 16;
