/**
 * Every container is started without capabilities. An image that starts as root, as neko's own do, gets these six of Docker's default
 * fourteen back, with which its first process can own files, become the users that it runs programs as, and end them; it can't send
 * raw packets, make devices or change limits.
 */
export const FIRST_PROCESS_CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'SETGID', 'SETUID'] as const;
