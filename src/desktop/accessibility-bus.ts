import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from '../process/child.ts';
import { untilThere } from '../process/until-there.ts';
import { displayEnvironment, type DesktopEnvironment } from './environment.ts';
import type { SessionFolder } from './folder.ts';
import type { Part } from './keeper.ts';

/** The programs of AT-SPI, as paths. */
export interface AccessibilityPrograms {
  busDaemon: string;
  registry: string;
}

/** Where distributions have it; no PATH leads there. */
const REGISTRIES = ['/usr/libexec/at-spi2-registryd', '/usr/lib/at-spi2-core/at-spi2-registryd'];
const READY_POLL_MS = 5;
/** A message between a program and the bus; who sends a longer one is cut off. The longest that we know tell of a long text. */
const MESSAGE_MAX_BYTES = 4 * 1024 * 1024;

export function findRegistry(): string | undefined {
  return REGISTRIES.find((file) => existsSync(file));
}

export function accessibilitySocketOf(folder: SessionFolder): string {
  return join(folder.run, 'a11y.sock');
}

/** As D-Bus has it. */
export function accessibilityAddressOf(folder: SessionFolder): string {
  return `unix:path=${accessibilitySocketOf(folder)}`;
}

/**
 * The bus on which programs tell what they show (AT-SPI): the session's own, without a message bus beside it, for toolkits take its address from
 * their environment. The registry is started by the first program that comes.
 */
export function accessibilityBus(
  { busDaemon, registry }: AccessibilityPrograms,
  environment: DesktopEnvironment,
  display: string,
): Part {
  const { folder } = environment;
  const name = 'the accessibility bus';
  const services = join(folder.run, 'a11y-services');
  const config = join(folder.run, 'a11y.conf');
  return {
    name,
    start: async (signal) => {
      await rm(accessibilitySocketOf(folder), { force: true });
      await mkdir(services, { recursive: true });
      await writeFile(
        join(services, 'org.a11y.atspi.Registry.service'),
        `[D-BUS Service]\nName=org.a11y.atspi.Registry\nExec=${registry}\n`,
      );
      // The registry is its child, and finds the bus like any program.
      const address = accessibilityAddressOf(folder);
      const env = { ...displayEnvironment(environment, display), AT_SPI_BUS_ADDRESS: address };
      await writeFile(config, busConfig(services, address));
      const args = [`--config-file=${config}`, '--nofork', '--nopidfile', '--nosyslog'];
      return Child.start(
        { name, file: busDaemon, args, env, cwd: folder.run },
        (_child, untilExit) => untilThere(accessibilitySocketOf(folder), READY_POLL_MS, untilExit),
        signal,
      );
    },
  };
}

/** As dbus-daemon(1) has it. Who can open the socket is this user, and may say and own anything. */
function busConfig(services: string, address: string): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>accessibility</type>
  <servicedir>${services}</servicedir>
  <auth>EXTERNAL</auth>
  <listen>${address}</listen>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
  <limit name="max_message_size">${MESSAGE_MAX_BYTES}</limit>
</busconfig>
`;
}
