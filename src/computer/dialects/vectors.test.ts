// Each dialect by its vectors (vectors/DIALECT.json): a call, what it means in our actions, the messages that reach the streamer, and what the model is told.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { encodeInput } from '../../input/data-channel.ts';
import { isFailureCode, toGatewayError } from '../../errors.ts';
import type { ActionResult } from '../executor.ts';
import { planAction, type Step, type View } from '../plan.ts';
import { DialectName, dialectOf } from './dialects.ts';

interface Vector {
  name: string;
  call: unknown;
  actions?: unknown[];
  /** Input as the data channel's bytes, in hex: opcode, length, payload. */
  steps?: unknown[];
  results?: ActionResult[];
  output?: unknown;
  error?: string;
}

const FOLDER = new URL('vectors/', import.meta.url);
const FILES = readdirSync(FOLDER);

test('every dialect has its vectors', () => {
  expect(FILES.toSorted()).toEqual(DialectName.options.map((name) => `${name}.json`).toSorted());
});

for (const file of FILES) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own data
  const { dialect, view, vectors } = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as {
    dialect: DialectName;
    view: View;
    vectors: Vector[];
  };
  const inDialect = dialectOf(dialect);

  describe(`the dialect ${dialect}`, () => {
    test.each(vectors)('$name', ({ call, actions, steps, results, output, error }) => {
      if (error !== undefined) {
        assert.ok(isFailureCode(error));
        assert.throws(
          () => inDialect.read(call).map((action) => planAction(action, view)),
          (thrown) => toGatewayError(thrown).code === error,
        );
        return;
      }
      const meant = inDialect.read(call);
      expect(plain(meant)).toEqual(actions);
      expect(plain(meant.flatMap((action) => planAction(action, view)).map(shown))).toEqual(steps);
      const told = results && plain(inDialect.write(call, results));
      expect(told).toEqual(output);
    });
  });
}

function shown(step: Step): unknown {
  if (step.do === 'input') return { input: step.events.map((event) => hexOf(encodeInput(event))) };
  if (step.do === 'wait') return { wait: step.ms };
  return step.do === 'position' ? { position: true } : { picture: step.request };
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('hex')
    .replace(/^(..)(....)/, '$1 $2 ');
}

/** As JSON has it: what is undefined isn't there. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
