import { assert, test } from 'vitest';
import { nekoCommand, type NekoOptions } from './options.ts';

const OPTIONS: NekoOptions = {
  http: { host: '127.0.0.1', port: 18_100 },
  display: ':7',
  screen: { width: 1280, height: 720, rate: 25 },
  udpPorts: { min: 59_000, max: 59_007 },
  nat1to1: ['10.0.0.5', '192.0.2.1'],
  audioDevice: 'audio_output.monitor',
  secrets: { adminPassword: 'admin-secret', userPassword: 'user-secret' },
  environment: { PATH: '/usr/bin', NEKO_LEGACY: 'true' },
};

test('secrets stand in the environment and never among the arguments', () => {
  const { args, env } = nekoCommand(OPTIONS);

  assert.notInclude(args.join(' '), 'secret');
  assert.equal(env['NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD'], 'admin-secret');
  assert.equal(env['NEKO_MEMBER_MULTIUSER_USER_PASSWORD'], 'user-secret');
});

test('what is asked of neko is said in its own flags', () => {
  const { args } = nekoCommand(OPTIONS);

  assert.equal(args[0], 'serve');
  assert.includeMembers(args, [
    '--server.bind=127.0.0.1:18100',
    '--desktop.display=:7',
    '--capture.video.display=:7',
    '--desktop.screen=1280x720@25',
    '--webrtc.epr=59000-59007',
    '--webrtc.nat1to1=10.0.0.5,192.0.2.1',
    '--webrtc.icelite=true',
    '--webrtc.ip_retrieval_url=',
    '--session.cookie.enabled=false',
    '--session.implicit_hosting=false',
  ]);
});

test("neko's own variables in the environment given are overridden, and nothing is inherited", () => {
  const { env } = nekoCommand(OPTIONS);

  assert.equal(env['NEKO_LEGACY'], 'false');
  assert.deepEqual(
    Object.keys(env).filter((name) => !name.startsWith('NEKO_')),
    ['PATH', 'NO_COLOR'],
  );
});

test("settings by neko's variables take the place of ours", () => {
  const settings = { NEKO_SERVER_BIND: '0.0.0.0:8080', NEKO_CHAT_ENABLED: 'true' };

  const { args, env } = nekoCommand({ ...OPTIONS, settings });

  assert.isUndefined(args.find((argument) => argument.startsWith('--server.bind')));
  assert.include(env, settings);
  assert.equal(env['NEKO_FILETRANSFER_ENABLED'], 'false');
});
