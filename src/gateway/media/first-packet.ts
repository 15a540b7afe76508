import { classes, methods, parseMessage } from 'werift';

/**
 * The user fragment that the receiver gave out, of a STUN binding request (RFC 8489; its USERNAME is `RECEIVER:SENDER`, RFC 8445,
 * section 7.2.2). Undefined for anything else.
 */
export function ufragOf(packet: Buffer): string | undefined {
  try {
    const message = parseMessage(packet);
    if (message?.messageMethod !== methods.BINDING || message.messageClass !== classes.REQUEST) return undefined;
    const username: unknown = message.getAttributeValue('USERNAME');
    const [ufrag = '', sender] = typeof username === 'string' ? username.split(':') : [];
    return ufrag === '' || sender === undefined ? undefined : ufrag;
  } catch {
    // Whatever strangers send.
    return undefined;
  }
}
