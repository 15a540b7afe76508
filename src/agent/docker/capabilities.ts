/**
 * Every container is started without capabilities. An image that starts as root, and that the host's operator lets do so, gets these six of
 * Docker's default fourteen back, with which its first process can own files, become the users that it runs programs as, and end
 * them; it can't send raw packets, make devices or change limits. neko's own images need them: their supervisord (4.3) ends each program with
 * 127 where it may not change users, and refuses to run as any other user than root ("Can't drop privilege as nonroot user").
 */
export const FIRST_PROCESS_CAPABILITIES = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'SETGID', 'SETUID'] as const;
