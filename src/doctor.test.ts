import { assert, test } from 'vitest';
import { readEnvironment } from './config.ts';
import { canRunDesktop, examineMachine } from './doctor.ts';

test('on a machine with everything a desktop can run', async () => {
  const findings = await examineMachine(readEnvironment());

  assert.deepEqual(
    findings.filter(({ ok, isNeeded }) => isNeeded && !ok),
    [],
  );
  assert.isTrue(canRunDesktop(findings));
});

test('on a bare machine each missing part is named with the package that brings it', async () => {
  const findings = await examineMachine({ ...readEnvironment(), path: '/nowhere', nekoBin: undefined });

  const fixes = Object.fromEntries(findings.flatMap(({ name, fix }) => (fix === undefined ? [] : [[name, fix]])));
  assert.deepEqual(fixes, {
    'X server and VNC': 'apt-get install tigervnc-standalone-server',
    'window manager': 'apt-get install openbox',
    sound: 'apt-get install pulseaudio',
    'browser or terminal': 'apt-get install chromium, or xterm',
    'ssh, for docker-proxy': 'apt-get install openssh-client',
    'embedded streamer': 'apt-get install gstreamer1.0-tools',
    recordings: 'apt-get install gstreamer1.0-tools',
  });
  assert.isFalse(canRunDesktop(findings));
});

test('a NEKO_BIN that can not be run is a finding, since no desktop would start', async () => {
  const findings = await examineMachine({ ...readEnvironment(), nekoBin: '/no/such/neko' });

  const neko = findings.find(({ name }) => name === 'neko');
  assert.include(neko?.detail, '/no/such/neko');
  assert.isFalse(canRunDesktop(findings));
});
