import assert from 'node:assert/strict';
import { test } from 'vitest';
import { nekoCommand } from '../options.ts';
import { FlagError } from './flag-readers.ts';
import { readFlags } from './flags.ts';

test('a flag is read as --a.b=v, --a.b v or a bare boolean, and wins over its variable', () => {
  const flags = readFlags(
    ['--server.bind=127.0.0.1:1', '--webrtc.epr', '100-200', '--webrtc.icelite', '--debug=false'],
    {
      NEKO_SERVER_BIND: '0.0.0.0:2',
      NEKO_SESSION_API_TOKEN: 'a=b',
      NEKO_BIN: '/somewhere/neko',
      PATH: '/bin',
    },
  );

  assert.deepEqual(flags['server.bind'], { host: '127.0.0.1', port: 1 });
  assert.deepEqual(flags['webrtc.epr'], { min: 100, max: 200 });
  assert.equal(flags['webrtc.icelite'], true);
  assert.equal(flags['session.api_token'], 'a=b');
});

test('what nekogate passes to a neko is taken as it is', () => {
  const { args, env } = nekoCommand({
    http: { host: '127.0.0.1', port: 18_100 },
    display: ':7',
    screen: { width: 1600, height: 900, rate: 30 },
    udpPorts: { min: 59_000, max: 59_007 },
    nat1to1: ['192.0.2.1'],
    audioDevice: 'audio_output.monitor',
    secrets: { adminPassword: 'a', userPassword: 'u' },
    environment: { PATH: '/bin' },
  });

  const flags = readFlags(args.slice(1), env);

  assert.deepEqual(flags['desktop.screen'], { width: 1600, height: 900, rate: 30 });
  assert.equal(flags['capture.video.pipelines'].get('main')?.framesPerSecond, '30');
  assert.equal(flags['member.multiuser.admin_password'], 'a');
});

for (const [args, env] of [
  [['--capture.video.codec=h264'], {}],
  [['--webrtc.udpmux', '59000'], {}],
  [['--webrtc.nat1to1', 'example.org'], {}],
  [['--webrtc.epr', '200-100'], {}],
  [['--desktop.screen', '1280x720'], {}],
  [['--webrtc.iceservers.backend', '[{"urls":["stun:stun.example"]}]'], {}],
  [['--capture.video.pipelines', '{"main":{"fps":"25","gst_encoder":"x264enc"}}'], {}],
  [
    [
      '--capture.video.pipelines',
      '{"main":{"fps":"25","gst_encoder":"vp8enc","gst_params":{"threads":"4 ! fakesink"}}}',
    ],
    {},
  ],
  [['--constructor=1'], {}],
  [['--server.bind'], {}],
  [['stray'], {}],
  [[], { NEKO_SESSION_COOKIE_ENABLED: 'true' }],
  [[], { NEKO_WHATEVER: '1' }],
] as const) {
  test(`${[...args, ...Object.keys(env)].join(' ')} is refused`, () => {
    assert.throws(() => readFlags([...args], env), FlagError);
  });
}

test('a refused list of ICE servers is not repeated, since it holds credentials', () => {
  assert.throws(
    () => readFlags(['--webrtc.iceservers.frontend', '[{"urls":7,"credential":"hunter2"}]'], {}),
    (error: Error) => error instanceof FlagError && !error.message.includes('hunter2'),
  );
});
