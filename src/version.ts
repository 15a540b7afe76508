import { createRequire } from 'node:module';
import { z } from 'zod';

// package.json lies one folder up from src/ and from dist/ alike.
const Package = z.object({ version: z.string() });
export const VERSION = Package.parse(createRequire(import.meta.url)('../package.json')).version;
