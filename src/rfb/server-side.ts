import { GatewayError } from '../errors.ts';
import { viewOf, type Script } from './dialogue.ts';
import { CHALLENGE_BYTES, SECURITY, SECURITY_OK } from './security.ts';
import { encodeVersion, parseVersion, VERSION_BYTES } from './version.ts';

/** A server's own words about a refusal, in bytes; a longer text is not waited for. */
const REASON_MAX_BYTES = 4096;
/** ClientInit: other clients stay. */
const SHARED = 1;

export interface ServerLogin {
  /** Encrypts the server's challenge with its password; left out where the agent knows none. */
  answer?: ((challenge: Uint8Array) => Uint8Array) | undefined;
}

/**
 * A client's part towards a VNC server, up to and with ClientInit: what comes beyond it is ServerInit.
 * @throws GatewayError VNC_FAILED
 */
export function* loginToServer({ answer }: ServerLogin): Script<void> {
  const minor = parseVersion(yield VERSION_BYTES);
  if (minor === undefined) throw new GatewayError('VNC_FAILED', 'what answers there speaks no RFB');
  yield encodeVersion(minor);
  const type = minor === 3 ? yield* readDecidedType() : yield* chooseType(answer !== undefined);
  if (type === SECURITY.vncAuthentication) {
    if (!answer) throw new GatewayError('VNC_FAILED', 'the VNC server asks for a password, and none is known');
    yield answer(yield CHALLENGE_BYTES);
  } else if (type !== SECURITY.none)
    throw new GatewayError('VNC_FAILED', `the VNC server wants security type ${type}, which is not spoken here`);
  // Before 3.8 there is no result where there was nothing to get wrong, and no reason.
  if ((type === SECURITY.vncAuthentication || minor === 8) && viewOf(yield 4).getUint32(0) !== SECURITY_OK)
    throw new GatewayError('VNC_FAILED', `the VNC server refuses: ${minor === 8 ? yield* readReason() : 'no reason'}`);
  yield Uint8Array.of(SHARED);
}

/** Where the server alone decides: in 3.3. */
function* readDecidedType(): Script<number> {
  const type = viewOf(yield 4).getUint32(0);
  if (type === SECURITY.invalid) throw new GatewayError('VNC_FAILED', `the VNC server refuses: ${yield* readReason()}`);
  return type;
}

function* chooseType(hasPassword: boolean): Script<number> {
  const [count = 0] = yield 1;
  if (count === 0) throw new GatewayError('VNC_FAILED', `the VNC server refuses: ${yield* readReason()}`);
  const offered = [...(yield count)];
  const type = [SECURITY.none, ...(hasPassword ? [SECURITY.vncAuthentication] : [])].find((each) =>
    offered.includes(each),
  );
  if (type === undefined)
    throw new GatewayError(
      'VNC_FAILED',
      `the VNC server offers security types ${offered.join(', ')}, none of which can be met`,
    );
  yield Uint8Array.of(type);
  return type;
}

function* readReason(): Script<string> {
  const length = viewOf(yield 4).getUint32(0);
  if (length > REASON_MAX_BYTES) return 'at length';
  return new TextDecoder().decode(yield length);
}
