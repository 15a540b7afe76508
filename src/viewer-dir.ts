import { fileURLToPath } from 'node:url';

/** Where the built browser code lies: dist/viewer, seen from src/ and from dist/ alike. */
export function viewerDir(): string {
  return fileURLToPath(new URL('../dist/viewer', import.meta.url));
}
