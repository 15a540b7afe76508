import { createHash } from 'node:crypto';

/** Where Xvnc serves RFB over TCP in a container, which alone its own network reaches; the image says so in its label `nekogate.vnc`. */
export const CONTAINER_VNC_PORT = 5900;

/** VNC authentication looks at eight bytes of a password. */
const PASSWORD_CHARS = 8;

/**
 * The password of a container's VNC server: both the container and its agent know that of neko's administrator, and make this one of it. It is
 * short, so nothing is to be learnt from it about the other.
 */
export function vncPasswordOf(adminPassword: string): string {
  return createHash('sha256').update(`nekogate.vnc:${adminPassword}`).digest('base64url').slice(0, PASSWORD_CHARS);
}
