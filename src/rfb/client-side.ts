import { GatewayError } from '../errors.ts';
import { concat, u32, viewOf, type Script } from './dialogue.ts';
import {
  CHALLENGE_BYTES,
  PLAIN_FIELD_MAX_BYTES,
  SECURITY,
  SECURITY_FAILED,
  SECURITY_OK,
  VENCRYPT_SUBTYPE,
} from './security.ts';
import { encodeVersion, parseVersion, VERSION_BYTES, type Minor } from './version.ts';

/** What a client must answer rightly to be let in. */
export interface Challenge {
  /** 16 random bytes, never sent twice. */
  bytes: Uint8Array;
  isAnsweredBy(answer: Uint8Array): boolean;
}

/** A client that has said all that is asked of it before the result. */
export interface KnownClient {
  minor: Minor;
  security: number;
}

/**
 * A server's part towards a VNC client that was let in already, up to and with ClientInit: the client is to have ServerInit next. Whether it wants to
 * share the desktop is passed over, since a client doesn't decide for others.
 * @throws GatewayError BAD_FRAME
 */
export function* welcomeClient(): Script<void> {
  yield* letClientIn(yield* meetClient());
}

/**
 * The first half of it, up to where the client is told whether it may come in, by `letClientIn` or `refuseClient`.
 * @throws GatewayError BAD_FRAME | UNAUTHENTICATED for a wrong answer, of which the client has been told
 */
export function* meetClient({ challenge }: { challenge?: Challenge | undefined } = {}): Script<KnownClient> {
  const security = challenge ? SECURITY.vncAuthentication : SECURITY.none;
  const minor = yield* agreeOnSecurity(security);
  const client = { minor, security };
  if (!challenge) return client;
  yield challenge.bytes;
  if (challenge.isAnsweredBy(yield CHALLENGE_BYTES)) return client;
  yield refuseClient(client, 'wrong password');
  throw new GatewayError('UNAUTHENTICATED', 'the VNC client does not know the password');
}

/** The second half: the result, and the client's ClientInit. */
export function* letClientIn({ minor, security }: KnownClient): Script<void> {
  // Before 3.8 there is no result where there was nothing to get wrong.
  if (security !== SECURITY.none || minor === 8) yield u32(SECURITY_OK);
  yield 1;
}

/** In place of the second half; a client before 3.8 can be told no reason, and one that had nothing to get wrong not even that it was refused. */
export function refuseClient({ minor, security }: KnownClient, reason: string): Uint8Array {
  if (minor !== 8) return security === SECURITY.none ? new Uint8Array(0) : u32(SECURITY_FAILED);
  const text = new TextEncoder().encode(reason);
  return concat(concat(u32(SECURITY_FAILED), u32(text.length)), text);
}

/**
 * As the first half, of a client that has to begin TLS before it says who it is: up to where its TLS handshake comes next (VeNCrypt 0.2, rfbproto, 7.2.8).
 * @returns the version, to go on with `readPlain` inside TLS
 * @throws GatewayError BAD_FRAME
 */
export function* askForTls(): Script<Minor> {
  const minor = yield* agreeOnSecurity(SECURITY.venCrypt);
  yield Uint8Array.of(0, 2);
  const version = yield 2;
  if (version[0] !== 0 || version[1] !== 2) {
    yield Uint8Array.of(1);
    throw new GatewayError('BAD_FRAME', `the client speaks VeNCrypt ${version.join('.')}, and not 0.2`);
  }
  yield Uint8Array.of(0);
  yield concat(Uint8Array.of(1), u32(VENCRYPT_SUBTYPE.x509Plain));
  const chosen = viewOf(yield 4).getUint32(0);
  if (chosen !== VENCRYPT_SUBTYPE.x509Plain) {
    yield Uint8Array.of(0);
    throw new GatewayError('BAD_FRAME', `VeNCrypt's subtype ${chosen} was not offered`);
  }
  yield Uint8Array.of(1);
  return minor;
}

/** What the client says first inside TLS. @throws GatewayError BAD_FRAME */
export function* readPlain(): Script<{ user: string; password: string }> {
  const lengths = viewOf(yield 8);
  const [userBytes, passwordBytes] = [lengths.getUint32(0), lengths.getUint32(4)];
  if (userBytes > PLAIN_FIELD_MAX_BYTES || passwordBytes > PLAIN_FIELD_MAX_BYTES)
    throw new GatewayError('BAD_FRAME', `a user name or password of more than ${PLAIN_FIELD_MAX_BYTES} bytes`);
  const decoder = new TextDecoder();
  return { user: decoder.decode(yield userBytes), password: decoder.decode(yield passwordBytes) };
}

/** The version, and the one security type that is offered. */
function* agreeOnSecurity(security: number): Script<Minor> {
  yield encodeVersion(8);
  const minor = parseVersion(yield VERSION_BYTES);
  if (minor === undefined) throw new GatewayError('BAD_FRAME', 'the client speaks no RFB');
  if (minor === 3) {
    yield u32(security);
    return minor;
  }
  yield Uint8Array.of(1, security);
  const [chosen] = yield 1;
  if (chosen === security) return minor;
  const message = `security type ${chosen} was not offered`;
  yield refuseClient({ minor, security: SECURITY.none }, message);
  throw new GatewayError('BAD_FRAME', `the client is wrong: ${message}`);
}
