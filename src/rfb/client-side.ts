import { GatewayError } from '../errors.ts';
import { concat, u32, type Script } from './dialogue.ts';
import { SECURITY, SECURITY_FAILED, SECURITY_OK } from './security.ts';
import { encodeVersion, parseVersion, VERSION_BYTES } from './version.ts';

/**
 * A server's part towards a VNC client that was let in already, up to and with ClientInit: the client is to have ServerInit next. Whether it wants to
 * share the desktop is passed over, since a client doesn't decide for others.
 * @throws GatewayError BAD_FRAME
 */
export function* welcomeClient(): Script<void> {
  yield encodeVersion(8);
  const minor = parseVersion(yield VERSION_BYTES);
  if (minor === undefined) throw new GatewayError('BAD_FRAME', 'the client speaks no RFB');
  if (minor === 3) yield u32(SECURITY.none);
  else {
    yield Uint8Array.of(1, SECURITY.none);
    const [chosen] = yield 1;
    if (chosen !== SECURITY.none) {
      const message = `security type ${chosen} was not offered`;
      if (minor === 8) yield refusal(message);
      throw new GatewayError('BAD_FRAME', `the client is wrong: ${message}`);
    }
    if (minor === 8) yield u32(SECURITY_OK);
  }
  yield 1;
}

/** SecurityResult with a reason, as 3.8 has it. */
function refusal(reason: string): Uint8Array {
  const text = new TextEncoder().encode(reason);
  return concat(concat(u32(SECURITY_FAILED), u32(text.length)), text);
}
