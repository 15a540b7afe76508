import { element, setText } from '../dom.ts';
import type { Stats } from '../stats.ts';

const NONE = '–';

const ROWS: readonly (readonly [name: string, value: (stats: Stats) => string])[] = [
  ['Frames', (stats) => withUnit(stats.framesPerSecond, 'fps')],
  ['Round trip', (stats) => withUnit(stats.rttMs, 'ms', 1)],
  ['Rate', (stats) => withUnit(stats.kbitPerSecond, 'kbit/s')],
  ['Loss', (stats) => withUnit(stats.lossPercent, '%', 1)],
  ['Jitter', (stats) => withUnit(stats.jitterMs, 'ms', 1)],
  ['Picture', (stats) => (stats.width === undefined ? NONE : `${stats.width}×${stats.height} ${codecOf(stats)}`)],
  ['Dropped', (stats) => withUnit(stats.framesDropped, 'frames')],
  ['Route', describeRoute],
];

/** How the stream does, in figures. */
export class StatsPanel {
  readonly element: HTMLElement;
  readonly #values: readonly HTMLElement[];

  constructor() {
    this.#values = ROWS.map(() => element('dd', {}, NONE));
    const list = element('dl');
    for (const [index, [name]] of ROWS.entries()) list.append(element('dt', {}, name), this.#values[index] ?? '');
    this.element = element('div', { class: 'panel stats', 'aria-label': 'Statistics', role: 'region', part: 'stats' });
    this.element.append(list);
    this.element.hidden = true;
  }

  render(isShown: boolean, stats: Stats | undefined): void {
    this.element.hidden = !isShown;
    if (!isShown) return;
    for (const [index, [, value]] of ROWS.entries()) {
      const target = this.#values[index];
      if (target !== undefined) setText(target, stats === undefined ? NONE : value(stats));
    }
  }
}

function withUnit(value: number | undefined, unit: string, digits = 0): string {
  return value === undefined ? NONE : `${value.toFixed(digits)} ${unit}`;
}

function codecOf(stats: Stats): string {
  return stats.codec?.replace(/^video\//, '') ?? '';
}

function describeRoute({ route }: Stats): string {
  if (route === undefined) return NONE;
  return `${route.localType} → ${route.remoteType}, ${route.protocol.toUpperCase()}`;
}
