import { createHmac } from 'node:crypto';
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** One line of a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). */
export interface KnownHost {
  /** Where it stands, for messages: `/home/ann/.ssh/known_hosts:3`. */
  place: string;
  marker: 'cert-authority' | 'revoked' | undefined;
  /** Comma-separated patterns, or one hashed name. */
  hosts: string;
  keyType: string;
  /** base64 */
  key: string;
}

export type Verdict = { kind: 'known' } | { kind: 'unknown' } | { kind: 'revoked' | 'changed'; place: string };

/** Files that aren't there hold nothing. */
export async function readKnownHosts(files: readonly string[]): Promise<KnownHost[]> {
  const all: KnownHost[] = [];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return '';
      throw error;
    });
    all.push(...parseKnownHosts(text, file));
  }
  return all;
}

export function parseKnownHosts(text: string, file: string): KnownHost[] {
  return text.split('\n').flatMap((line, index) => {
    const match = /^\s*(?:@(cert-authority|revoked)\s+)?([^\s#@]\S*)\s+([a-z0-9@.-]+)\s+([A-Za-z0-9+/=]+)/.exec(line);
    const [, marker, hosts, keyType, key] = match ?? [];
    if (hosts === undefined || keyType === undefined || key === undefined) return [];
    const known = marker === 'cert-authority' || marker === 'revoked' ? marker : undefined;
    return [{ place: `${file}:${index + 1}`, marker: known, hosts, keyType, key }];
  });
}

/** The name that a host stands under: `[name]:port` unless the port is 22. */
export function knownHostName(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;
}

/** A host that is known by any other key counts as changed, whatever kind of key that is: else whoever stands between could offer a new kind. */
export function judgeHostKey(entries: readonly KnownHost[], name: string, key: Buffer): Verdict {
  const offered = key.toString('base64');
  // Certificates aren't checked here, so an authority's key vouches for nobody.
  const ofHost = entries.filter(({ hosts, marker }) => marker !== 'cert-authority' && matches(hosts, name));
  const revoked = ofHost.find((entry) => entry.marker === 'revoked' && entry.key === offered);
  if (revoked) return { kind: 'revoked', place: revoked.place };
  const trusted = ofHost.filter(({ marker }) => marker === undefined);
  if (trusted.some((entry) => entry.key === offered)) return { kind: 'known' };
  const [other] = trusted;
  return other ? { kind: 'changed', place: other.place } : { kind: 'unknown' };
}

/** The kinds of keys that the host is known by: to be asked for before others. */
export function knownKeyTypes(entries: readonly KnownHost[], name: string): string[] {
  return entries
    .filter(({ hosts, marker }) => marker === undefined && matches(hosts, name))
    .map((entry) => entry.keyType);
}

export async function addKnownHost(file: string, name: string, key: Buffer): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const before = await readFile(file, 'utf8').catch(() => '');
  const gap = before === '' || before.endsWith('\n') ? '' : '\n';
  await appendFile(file, `${gap}${name} ${keyTypeOf(key)} ${key.toString('base64')}\n`, { mode: 0o600 });
}

/** The first string of a key as SSH writes it (RFC 4253 section 6.6). */
export function keyTypeOf(key: Buffer): string {
  return key.subarray(4, 4 + key.readUInt32BE(0)).toString('latin1');
}

function matches(hosts: string, name: string): boolean {
  const hashed = /^\|1\|([A-Za-z0-9+/=]+)\|([A-Za-z0-9+/=]+)$/.exec(hosts);
  if (hashed?.[1] !== undefined)
    return createHmac('sha1', Buffer.from(hashed[1], 'base64')).update(name).digest('base64') === hashed[2];
  const patterns = hosts.split(',');
  if (patterns.some((pattern) => pattern.startsWith('!') && wildcard(pattern.slice(1)).test(name))) return false;
  return patterns.some((pattern) => !pattern.startsWith('!') && wildcard(pattern).test(name));
}

function wildcard(pattern: string): RegExp {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 'i');
}
