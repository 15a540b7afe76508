import { createHmac } from 'node:crypto';

/** Where a container's desktop serves its tools over TCP, which alone its own network reaches; the image says so in its label `nekogate.tools`. */
export const CONTAINER_TOOLS_PORT = 8090;

/** What the agent shows there: both it and the container know neko's administrator password, and make this of it. */
export function toolsSecretOf(adminPassword: string): string {
  return createHmac('sha256', adminPassword).update('nekogate.tools').digest('base64url');
}
