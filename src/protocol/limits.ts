// Limits that both ends of the agent's connections keep. Each says what happens to who breaks it.

/** One control frame, in bytes; a longer one closes the control socket with 1009. */
export const CONTROL_FRAME_MAX_BYTES = 1024 * 1024;
/** One frame inside a signaling tunnel, in bytes (an SDP with many candidates is under 20 KiB; a clipboard may be large); a longer one closes the login with 1009. */
export const SIGNALING_FRAME_MAX_BYTES = 1024 * 1024;
/** Bytes that may wait for a slow reader on one signaling connection; more closes it with CLIENT_SLOW. */
export const SIGNALING_QUEUE_MAX_BYTES = 4 * 1024 * 1024;
/** One frame of a VNC stream, in bytes; a longer one of a client closes its connection with 1009. */
export const VNC_FRAME_MAX_BYTES = 128 * 1024;
/** Bytes of a VNC stream that may wait for a slow reader, each way, before the other end is read no further; with the frame that was under way, 256 KiB at most. */
export const VNC_QUEUE_BYTES = 128 * 1024;
/** Time that a reader of a VNC stream may leave all that waits for it; then the stream ends, with CLIENT_SLOW or VNC_LOST. */
export const VNC_STALL_MS = 60_000;
/** Time that an agent has to dial back for a tunnel; later the ticket is refused and the client told TUNNEL_TIMEOUT. */
export const TUNNEL_DIAL_MS = 10_000;
/** One datagram of media on a tunnel or in a frame of TCP, in bytes; streamers send at most an Ethernet frame's worth. A longer one is refused. */
export const DATAGRAM_MAX_BYTES = 2048;
/** Bytes of media that may wait on one connection; beyond that whole datagrams are dropped, for late media is of no use. */
export const MEDIA_QUEUE_MAX_BYTES = 256 * 1024;
/** Time between two WebSocket pings, both ways on every link of ours; a peer silent for two of them is taken for lost. */
export const KEEPALIVE_MS = 20_000;
