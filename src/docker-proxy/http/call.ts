import type { RequestHead } from './head.ts';

/** A call of Docker's API, as the daemon reads its target: with or without a version, by any spelling of the path. */
export interface Call {
  method: string;
  /** Decoded parts of the path after the version. */
  path: readonly string[];
  /** As it came, up to the path: `/v1.41`, or nothing. */
  prefix: string;
  query: URLSearchParams;
}

/** @returns undefined for targets that aren't paths */
export function parseCall({ method, target }: Pick<RequestHead, 'method' | 'target'>): Call | undefined {
  // Absolute targets are for proxies of another kind; the daemon reads them by their path.
  const [path = '', query = ''] = target.replace(/^https?:\/\/[^/?]*/, '').split(/\?(.*)/s);
  if (!path.startsWith('/')) return undefined;
  const parts = decodeParts(path);
  if (parts === undefined) return undefined;
  const isVersioned = /^v[0-9.]+$/.test(parts[0] ?? '');
  return {
    method,
    path: isVersioned ? parts.slice(1) : parts,
    prefix: isVersioned ? `/${parts[0] ?? ''}` : '',
    query: new URLSearchParams(query),
  };
}

function decodeParts(path: string): string[] | undefined {
  const parts: string[] = [];
  try {
    for (const part of path.split('/').map(decodeURIComponent)) {
      if (part === '..') parts.pop();
      else if (part !== '' && part !== '.') parts.push(part);
    }
  } catch {
    // Percent signs that mean nothing: the daemon refuses that.
    return undefined;
  }
  return parts;
}
