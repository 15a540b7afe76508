import { assert, test } from 'vitest';
import { GatewayError } from '../errors.ts';
import { readContainerOrder } from './container.ts';

const PASSWORD = 'a-password-of-24-letters';
const LEAST = { NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD: PASSWORD };

test('a password is all that a container must be given', () => {
  const { order, settings, rfb, tools } = readContainerOrder(LEAST);

  assert.equal(order.adminPassword, PASSWORD);
  assert.deepEqual(order.spec.screen, { width: 1280, height: 720, rate: 25 });
  assert.isTrue(order.spec.audio);
  assert.deepEqual(order.ports, { http: 8080, udp: { min: 59_000, max: 59_100 } });
  assert.equal(settings['NEKO_SERVER_BIND'], '0.0.0.0:8080');
  assert.equal(rfb?.port, 5900);
  assert.match(rfb?.password ?? '', /^[\w-]{8}$/);
  assert.notInclude(PASSWORD, rfb?.password ?? '');
  assert.include(tools, { host: '0.0.0.0', port: 8090 });
  assert.match(tools && 'secret' in tools ? tools.secret : '', /^[\w-]{43}$/);
});

test("neko's variables are the order, and those that we don't read go to the streamer as they came", () => {
  const { order, settings } = readContainerOrder({
    ...LEAST,
    NEKO_SERVER_BIND: ':9000',
    NEKO_DESKTOP_SCREEN: '1600x900@30',
    NEKO_WEBRTC_EPR: '59008-59015',
    NEKO_WEBRTC_NAT1TO1: '192.0.2.1,198.51.100.7',
    NEKO_WEBRTC_ICELITE: '1',
    NEKO_SESSION_PRIVATE_MODE: 'true',
    NEKO_SOMETHING_NEW: 'x y',
  });

  assert.deepEqual(order.spec.screen, { width: 1600, height: 900, rate: 30 });
  assert.deepEqual(order.ports, { http: 9000, udp: { min: 59_008, max: 59_015 } });
  assert.include(settings, {
    NEKO_SERVER_BIND: ':9000',
    NEKO_WEBRTC_NAT1TO1: '192.0.2.1,198.51.100.7',
    NEKO_WEBRTC_ICELITE: '1',
    NEKO_SESSION_PRIVATE_MODE: 'true',
    NEKO_SOMETHING_NEW: 'x y',
  });
  assert.notProperty(settings, 'NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD');
});

test('program, sound and the variables of programs are ordered beside them', () => {
  const { order } = readContainerOrder({
    ...LEAST,
    NEKOGATE_APP: '["xterm","-e","top"]',
    NEKOGATE_AUDIO: '0',
    LANG: 'de_DE.UTF-8',
    EDITOR: 'nano',
    PATH: '/usr/bin',
    HOSTNAME: '1234567890ab',
    LD_PRELOAD: '/x.so',
  });

  assert.deepEqual(order.spec.app, ['xterm', '-e', 'top']);
  assert.isFalse(order.spec.audio);
  assert.deepEqual(order.spec.environment, { LANG: 'de_DE.UTF-8', EDITOR: 'nano' });
});

test.for([
  [{ NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD: 'short' }, /NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD has fewer than 16/],
  [{ NEKO_DESKTOP_SCREEN: 'big' }, /NEKO_DESKTOP_SCREEN is not like 1280x720@25/],
  [{ NEKO_DESKTOP_SCREEN: '99999x720' }, /NEKO_DESKTOP_SCREEN .*7680/],
  [{ NEKO_WEBRTC_EPR: '59000' }, /NEKO_WEBRTC_EPR is not like 59000-59007/],
  [{ NEKO_WEBRTC_EPR: '59007-59000' }, /NEKO_WEBRTC_EPR begins after its end/],
  [{ NEKO_WEBRTC_NAT1TO1: 'example.org' }, /NEKO_WEBRTC_NAT1TO1 is not an IP address/],
  [{ NEKO_WEBRTC_UDPMUX: 'yes' }, /NEKO_WEBRTC_UDPMUX/],
  [{ NEKO_WEBRTC_ICELITE: 'yes' }, /NEKO_WEBRTC_ICELITE is neither 0 nor 1/],
  [{ NEKO_SERVER_BIND: '10.0.0.1:8080' }, /NEKO_SERVER_BIND is not like 0\.0\.0\.0:8080/],
  [{ NEKO_MEMBER_PROVIDER: 'noauth' }, /NEKO_MEMBER_PROVIDER can only be "multiuser"/],
  [{ NEKO_SESSION_API_TOKEN: 'another' }, /NEKO_SESSION_API_TOKEN can only be the administrator's password/],
  [{ NEKO_DESKTOP_DISPLAY: ':1' }, /NEKO_DESKTOP_DISPLAY is set by the desktop itself/],
  [{ NEKOGATE_APP: 'xterm' }, /NEKOGATE_APP is not a JSON array/],
  [{ NEKOGATE_APP: '[]' }, /NEKOGATE_APP/],
  [{ NEKOGATE_AUDIO: 'loud' }, /NEKOGATE_AUDIO is neither 0 nor 1/],
] as const)('an order that cannot be obeyed is refused by the name of its variable: %o', ([wrong, message]) => {
  const refusal = refusalOf({ ...LEAST, ...wrong });

  assert.equal(refusal.code, 'BAD_REQUEST');
  assert.match(refusal.message, message);
  assert.notInclude(refusal.message, PASSWORD);
});

test('a container without a password is refused', () => {
  assert.match(refusalOf({}).message, /NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD is missing/);
});

function refusalOf(variables: Record<string, string>): GatewayError {
  try {
    readContainerOrder(variables);
  } catch (thrown) {
    if (thrown instanceof GatewayError) return thrown;
  }
  throw new Error('the order was taken');
}
