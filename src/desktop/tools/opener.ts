import { readlink } from 'node:fs/promises';
import { basename, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { GatewayError } from '../../errors.ts';
import { findExecutable } from '../../process/executable.ts';
import { commandOf, findBrowser } from '../app.ts';
import { BROWSERS } from '../sandbox.ts';
import { holdInHome, pathOf } from './home.ts';
import type { ToolSite } from './tool.ts';

const WEB = ['http:', 'https:'];
/** Files that browsers are the program for. */
const PAGE = /\.(?:html?|xhtml|svg|pdf)$/i;

/**
 * What opens a web address or a file: the session's own program where that is a browser; else for an address or a page one of the desktop's browsers, and
 * for another file what the desktop has for its kind. @throws GatewayError DEPENDENCY_MISSING
 */
export function openCommandOf(target: URL, { spec, environment }: Pick<ToolSite, 'spec' | 'environment'>): string[] {
  const own = browserOf(commandOf(spec, environment));
  const any = findExecutable('xdg-open', environment.path);
  const byKind = any === undefined ? [] : [[any]];
  const browser = findBrowser(spec, environment);
  const inBrowser = browser ? [browser] : [];
  const isPage = WEB.includes(target.protocol) || PAGE.test(target.pathname);
  const others = isPage ? [...inBrowser, ...byKind] : [...byKind, ...inBrowser];
  const command = own ?? others[0];
  if (command) return [...command, target.href];
  throw new GatewayError(
    'DEPENDENCY_MISSING',
    'the desktop has nothing that opens this; install the package chromium or xdg-utils in it',
  );
}

/**
 * What a caller says is to be opened: a web address, or a file or folder of the home, as its path from there, a whole path or a file: address.
 * @throws GatewayError BAD_REQUEST | NOT_FOUND | FORBIDDEN
 */
export async function targetOf(text: string, home: string): Promise<URL> {
  const [scheme] = /^[a-z][a-z\d+.-]*:(?=\/\/)/i.exec(text) ?? [];
  if (scheme === undefined) return await fileOf(text, home);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && WEB.includes(url.protocol)) return url;
  if (url?.protocol === 'file:' && url.host === '' && !/%(?:00|2f)/i.test(url.pathname))
    return await fileOf(fileURLToPath(url), home);
  throw new GatewayError('BAD_REQUEST', `${text.slice(0, 200)} is neither a web address nor a file of the home`);
}

async function fileOf(path: string, home: string): Promise<URL> {
  await using held = await holdInHome(home, path.startsWith('/') ? relative(home, path) : path);
  return pathToFileURL(await readlink(pathOf(held)));
}

/** The flags of a browser that runs, for it to take another address: its profile says which one. */
function browserOf([file, ...args]: readonly string[]): string[] | undefined {
  if (file === undefined || !BROWSERS.includes(basename(file))) return undefined;
  return [file, ...args.filter((arg) => arg.startsWith('--') && !arg.startsWith('--app='))];
}
