// What the bench's clients and its VNC server say to one another: RFB 3.8 without a password, then messages that the gateway passes for an owner.
const VERSION = Buffer.from('RFB 003.008\n');

/** All that the server says up to SecurityResult; a client need not wait for any of it. */
export const GREETING = Buffer.concat([VERSION, Buffer.from([1, 1, 0, 0, 0, 0])]);
/** All that a client says up to ClientInit. */
export const LOGIN = Buffer.concat([VERSION, Buffer.from([1, 1])]);
export const LOGIN_BYTES = LOGIN.length;
/** A desktop of 800x600 without a name. */
export const SERVER_INIT = Buffer.alloc(24);
SERVER_INIT.writeUInt16BE(800, 0);
SERVER_INIT.writeUInt16BE(600, 2);

/** A key event; it comes back. */
export const KEY = Buffer.from('0401000000000061', 'hex');

/** Has the server send so many bytes. */
export function askBulk(bytes: number): Buffer {
  const message = Buffer.alloc(20);
  message.writeUInt32BE(bytes, 4);
  return message;
}
