import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { temporaryFolder } from './folder.ts';

export interface Certificate extends AsyncDisposable {
  cert: Buffer;
  key: Buffer;
  certFile: string;
  keyFile: string;
}

/** A certificate for localhost that vouches for itself, good for a day. */
export async function makeCertificate(): Promise<Certificate> {
  const folder = await temporaryFolder();
  const [certFile, keyFile] = [join(folder.path, 'cert.pem'), join(folder.path, 'key.pem')];
  await execa('openssl', [
    ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost'.split(' '),
    '-addext',
    'subjectAltName=DNS:localhost',
    '-out',
    certFile,
    '-keyout',
    keyFile,
  ]);
  return {
    cert: await readFile(certFile),
    key: await readFile(keyFile),
    certFile,
    keyFile,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
