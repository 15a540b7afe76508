/** Security types and results (RFC 6143, 7.1.2 and 7.1.3). */
export const SECURITY = { invalid: 0, none: 1, vncAuthentication: 2, venCrypt: 19 } as const;
/** VeNCrypt's: TLS with a certificate, and in it name and password (rfbproto, 7.2.8). */
export const VENCRYPT_SUBTYPE = { x509Plain: 262 } as const;
/** A name or a password of VeNCrypt's Plain, in bytes; longer than any of ours. A longer one ends the connection. */
export const PLAIN_FIELD_MAX_BYTES = 256;
export const SECURITY_OK = 0;
export const SECURITY_FAILED = 1;
/** Of VNC authentication: what a server sends, and what a client answers. */
export const CHALLENGE_BYTES = 16;
