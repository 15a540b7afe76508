import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import { Message, sessionBus, Variant, type MessageBus } from '@jellybrick/dbus-next';
import { test } from 'vitest';
import { temporaryFolder } from '../../../../test/harness/folder.ts';
import { readEnvironment } from '../../../config.ts';
import { ElementTree, TreeQuery } from '../../../protocol/accessibility.ts';
import { accessibilityAddressOf, accessibilityBus } from '../../accessibility-bus.ts';
import { fillSessionFolder, sessionFolder } from '../../folder.ts';
import { findDesktopPrograms } from '../../programs.ts';
import { AtSpi } from './atspi.ts';
import { readTree } from './tree.ts';

const ROOT = '/org/a11y/atspi/accessible/root';
const SHOWING = [1 << 25, 0];

/** What a program that means ill answers, by method; undefined: nothing. */
type Lies = Record<string, { signature: string; body: unknown[] } | undefined>;

const ENDLESS: Lies = {
  GetRoleName: { signature: 's', body: ['x'.repeat(10_000)] },
  Get: { signature: 'v', body: [new Variant('s', '\u0001'.repeat(100_000))] },
  GetState: { signature: 'au', body: [SHOWING] },
  GetInterfaces: { signature: 'as', body: [['org.a11y.atspi.Action']] },
  GetActions: { signature: 'a(sss)', body: [Array.from({ length: 500 }, (_, index) => [`do ${index}`, '', ''])] },
};

test('a program whose elements never end, and refer to what they are not, costs no more than the limits', async () => {
  await using bus = await openBus();
  const program = await bus.join({});
  const self = [program.name, `${ROOT}/again`];
  program.answers = {
    ...ENDLESS,
    GetChildren: {
      signature: 'a(so)',
      body: [
        [
          ...Array.from({ length: 50 }, () => self),
          ['no.name.at.all', '/x'],
          [':9.9', '/org/a11y/atspi/null'],
          [':1.99', '/gone'],
        ],
      ],
    },
  };

  const tree = await bus.read({ max: 200 });

  const told = ElementTree.parse(JSON.parse(JSON.stringify(tree)));
  assert.equal(told.isWhole, false);
  assert.equal(JSON.stringify(told).split('"ref"').length - 1 <= 200, true);
});

test('a program that answers nothing, or nonsense, takes nothing away from the others', async () => {
  await using bus = await openBus();
  await bus.join({});
  await bus.join({ ...ENDLESS, GetState: { signature: 's', body: ['all of them'] } });
  await bus.join({
    GetRoleName: { signature: 's', body: ['application'] },
    Get: { signature: 'v', body: [new Variant('s', 'honest')] },
    GetState: { signature: 'au', body: [[0, 0]] },
    GetInterfaces: { signature: 'as', body: [[]] },
    GetChildren: { signature: 'a(so)', body: [[]] },
  });

  const tree = await bus.read({});

  assert.deepEqual([tree.programs.map(({ name }) => name), tree.isWhole], [['honest'], false]);
});

test('a desktop without the bus says what is missing', async () => {
  await assert.rejects(AtSpi.open('unix:path=/no/such/socket'), {
    code: 'TOOLS_NOT_AVAILABLE',
    message: /ENOENT.*at-spi2-core and dbus-daemon/,
  });
});

interface Bus extends AsyncDisposable {
  /** A program that answers so; its registry tells of all that joined. */
  join(answers: Lies): Promise<{ name: string; answers: Lies }>;
  read(query: { max?: number }): Promise<ElementTree>;
}

async function openBus(): Promise<Bus> {
  await using opening = new AsyncDisposableStack();
  const { path } = opening.use(await temporaryFolder());
  const folder = sessionFolder(path);
  await fillSessionFolder(folder);
  const environment = { path: readEnvironment().path, inheritable: {}, folder };
  const { accessibility } = findDesktopPrograms(environment.path);
  assert.ok(accessibility, 'this test needs dbus-daemon and at-spi2-core');
  // No program here needs the display.
  opening.use(await accessibilityBus(accessibility, environment, ':none').start(AbortSignal.timeout(10_000)));
  const address = accessibilityAddressOf(folder);
  const programs = opening.use(new DisposableStack());
  const joined: { name: string; answers: Lies }[] = [];
  const connect = async (answersOf: () => Lies): Promise<MessageBus> => {
    const bus = sessionBus({ busAddress: address });
    programs.defer(() => bus.disconnect());
    const events: EventEmitter = bus;
    events.on('error', () => {
      // It goes with the bus.
    });
    await new Promise((resolve) => bus.once('connect', () => resolve(undefined)));
    bus.addMethodHandler((message) => {
      const answer = answersOf()[message.member];
      if (answer) bus.send(Message.newMethodReturn(message, answer.signature, answer.body));
      return true;
    });
    return bus;
  };
  const registry = await connect(() => ({
    GetChildren: { signature: 'a(so)', body: [joined.map(({ name }) => [name, ROOT])] },
  }));
  await registry.requestName('org.a11y.atspi.Registry', 0);
  const owned = opening.move();
  return {
    join: async (answers) => {
      const program = { name: '', answers };
      const bus = await connect(() => program.answers);
      program.name = bus.name ?? '';
      joined.push(program);
      return program;
    },
    read: async (query) => {
      using atSpi = await AtSpi.open(address);
      return await readTree(atSpi, TreeQuery.parse(query), undefined);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
