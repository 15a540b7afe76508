import { writeFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { Environment } from '../config.ts';
import { reachDesktop, reachGateway, REACH_USAGE } from './reach-desktop.ts';
import { untilSignal } from './signals.ts';
import { UsageError } from './usage-error.ts';

const USAGE = `usage: nekogate screenshot [-o FILE] [--region X,Y,WIDTHxHEIGHT] [--scale N] [--format png|jpeg|webp] SESSION

A picture of a session's screen, into FILE or to standard output; beside a FILE, prints where the picture is from.

  -o, --output FILE   its ending says the format, unless --format does
  --region X,Y,WIDTHxHEIGHT
                      a part of the screen
  --scale N           smaller, 0.05 to 1
  --format NAME       png, jpeg (the default) or webp
${REACH_USAGE}`;

const Format = z.enum(['png', 'jpeg', 'webp']);
const ENDINGS: Record<string, z.infer<typeof Format>> = { '.png': 'png', '.webp': 'webp' };

export async function runScreenshot(args: string[], environment: Environment): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      gateway: { type: 'string' },
      output: { type: 'string', short: 'o' },
      region: { type: 'string' },
      scale: { type: 'string' },
      format: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [sessionId, ...more] = positionals;
  if (sessionId === undefined || more.length > 0) throw new UsageError(USAGE);
  const { output } = values;
  if (output === undefined && process.stdout.isTTY) throw new UsageError('name a file with -o, or send the picture on');
  const asked = {
    format: readFormat(values.format ?? ENDINGS[extname(output ?? '').toLowerCase()] ?? 'jpeg'),
    ...(values.region !== undefined && { region: readRegion(values.region) }),
    ...(values.scale !== undefined && { scale: readScale(values.scale) }),
  };
  const signal = untilSignal();
  const reach = await reachGateway(environment, values.gateway);
  await using desktop = await reachDesktop(reach, sessionId, { role: 'viewer', label: 'nekogate screenshot', signal });
  const { bytes, ...about } = await desktop.screenshot({ ...asked, signal });
  if (output === undefined) process.stdout.write(bytes ?? '');
  else {
    await writeFile(output, bytes ?? '');
    process.stdout.write(`${JSON.stringify({ file: output, ...about })}\n`);
  }
  return 0;
}

function readFormat(text: string): z.infer<typeof Format> {
  const format = Format.safeParse(text);
  if (!format.success) throw new UsageError(`--format ${text} is none of png, jpeg, webp`);
  return format.data;
}

function readRegion(text: string): { x: number; y: number; width: number; height: number } {
  const match = /^(\d{1,5}),(\d{1,5}),([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(text);
  if (!match) throw new UsageError(`--region ${text} is not like 10,20,300x200`);
  const [, x, y, width, height] = match.map(Number);
  return { x: x ?? 0, y: y ?? 0, width: width ?? 0, height: height ?? 0 };
}

function readScale(text: string): number {
  const scale = Number(text);
  if (!(scale >= 0.05 && scale <= 1)) throw new UsageError(`--scale ${text} is not from 0.05 to 1`);
  return scale;
}
