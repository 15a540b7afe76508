// Makes a checkout ready: npm packages, and the Debian packages that a desktop needs. Runs on the Node that the machine
// has (20 or newer) with nothing installed, so it is plain JavaScript on Node's own modules. Nothing to do: well under a second.
//
//   node scripts/setup.mjs [--for start|test] [--print-only]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const printOnly = process.argv.includes('--print-only');
const purpose = process.argv[process.argv.indexOf('--for') + 1] === 'test' ? 'test' : 'start';

/** What a desktop is made of: the package, and a file or program that shows it is there. */
const DESKTOP = [
  { packages: ['tigervnc-standalone-server'], has: () => hasProgram('Xvnc', 'Xtigervnc') },
  { packages: ['x11-xkb-utils'], has: () => hasProgram('setxkbmap') },
  { packages: ['openbox'], has: () => hasProgram('openbox') },
  { packages: ['xterm'], has: () => hasProgram('xterm') },
  // Ubuntu's chromium is a stub that wants snapd; its desktops get the terminal unless a browser is there.
  { packages: isUbuntu() ? [] : ['chromium'], has: () => hasProgram('chromium', 'chromium-browser', 'google-chrome') },
  { packages: ['pulseaudio'], has: () => hasProgram('pulseaudio') },
  { packages: ['gstreamer1.0-tools'], has: () => hasProgram('gst-launch-1.0') },
  { packages: ['gstreamer1.0-plugins-base'], has: () => hasGstPlugin('libgstopus.so') },
  {
    packages: ['gstreamer1.0-plugins-good'],
    has: () => hasGstPlugin('libgstvpx.so') && hasGstPlugin('libgstximagesrc.so'),
  },
  // Recordings' H.264.
  { packages: ['gstreamer1.0-plugins-ugly'], has: () => hasGstPlugin('libgstx264.so') },
  // The bus on which programs tell of their elements.
  { packages: ['dbus-daemon'], has: () => hasProgram('dbus-daemon') },
  { packages: ['at-spi2-core'], has: () => existsSync('/usr/libexec/at-spi2-registryd') },
  { packages: ['fonts-dejavu-core'], has: () => existsSync('/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf') },
];
const TESTS = [
  { packages: ['postgresql'], has: () => existsSync('/usr/lib/postgresql') },
  { packages: ['openssl'], has: () => hasProgram('openssl') },
  { packages: ['xclip'], has: () => hasProgram('xclip') },
  { packages: ['xdotool'], has: () => hasProgram('xdotool') },
  { packages: ['scrot'], has: () => hasProgram('scrot') },
  { packages: ['iproute2'], has: () => hasProgram('ip') },
  { packages: ['iptables'], has: () => hasProgram('iptables') },
  { packages: ['docker.io'], has: () => hasProgram('dockerd') },
  // The client at this path builds images by BuildKit; another one earlier on PATH may not. From trixie on it is a package of its own, and
  // so is what it builds with.
  { packages: [isDebianFrom(13) ? 'docker-cli' : 'docker.io'], has: () => existsSync('/usr/bin/docker') },
  {
    packages: ['docker-buildx'],
    has: () => !isDebianFrom(13) || existsSync('/usr/libexec/docker/cli-plugins/docker-buildx'),
  },
  { packages: ['rsync'], has: () => hasProgram('rsync') },
  { packages: ['docker-compose'], has: () => hasProgram('docker-compose') },
  { packages: ['openssh-client'], has: () => hasProgram('ssh') },
  { packages: ['openssh-server'], has: () => existsSync('/usr/sbin/sshd') },
  { packages: ['coturn'], has: () => hasProgram('turnserver') },
  { packages: ['websockify'], has: () => hasProgram('websockify') },
  { packages: ['tigervnc-viewer'], has: () => hasProgram('xtigervncviewer') },
  { packages: ['python3-gi'], has: () => existsSync('/usr/lib/python3/dist-packages/gi') },
  { packages: ['gir1.2-gtk-3.0'], has: () => hasTypelib('Gtk-3.0.typelib') },
  { packages: ['debootstrap'], has: () => hasProgram('debootstrap') },
];

const missing = [
  ...new Set(
    (purpose === 'test' ? [...DESKTOP, ...TESTS] : DESKTOP)
      .filter(({ has }) => !has())
      .flatMap(({ packages }) => packages),
  ),
];
const npmStale = npmStamp() !== installedStamp();

if (printOnly) {
  console.log(npmStale ? 'npm packages: missing or stale' : 'npm packages: ready');
  console.log(missing.length > 0 ? `system packages: missing ${missing.join(' ')}` : 'system packages: ready');
} else {
  if (missing.length > 0) installSystemPackages(missing);
  if (npmStale) installNpmPackages();
}

function installSystemPackages(packages) {
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...packages];
  console.log(`nekogate needs these system packages: ${packages.join(' ')}`);
  if (!hasProgram('apt-get')) {
    console.error('There is no apt-get here. Install them with the package manager of this machine, then try again.');
    process.exit(1);
  }
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo'];
  if (asRoot.length > 0 && !hasProgram('sudo')) {
    console.error(`This needs root, and there is no sudo. As root: apt-get update && ${install.join(' ')}`);
    process.exit(1);
  }
  const env = ['env', 'DEBIAN_FRONTEND=noninteractive'];
  run([...asRoot, ...env, 'apt-get', '-o', 'DPkg::Lock::Timeout=300', 'update', '-qq']);
  run([...asRoot, ...env, ...install, '-qq', '-o', 'DPkg::Lock::Timeout=300']);
}

function installNpmPackages() {
  console.log('installing npm packages');
  run(['npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error'], { PATH: pathOutsideCheckout() });
  writeFileSync(stampFile(), npmStamp());
}

/** npm replaces node_modules, and must not run on the Node inside it. */
function pathOutsideCheckout() {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !folder.startsWith(join(root, 'node_modules')))
    .join(delimiter);
}

function run([program, ...args], env = {}) {
  const result = spawnSync(program, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  if (result.status === 0) return;
  console.error(
    `${program} ${args.join(' ')} failed: ${result.error?.message ?? `exit ${result.status ?? result.signal}`}`,
  );
  process.exit(1);
}

function stampFile() {
  return join(root, 'node_modules', '.nekogate-setup');
}

function npmStamp() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

function installedStamp() {
  return existsSync(stampFile()) ? readFileSync(stampFile(), 'utf8') : undefined;
}

function hasProgram(...names) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'].filter(
    (folder) => folder !== '',
  );
  return names.some((name) => folders.some((folder) => isExecutable(join(folder, name))));
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function hasGstPlugin(file) {
  return hasLibrary('gstreamer-1.0', file);
}

function hasTypelib(file) {
  return hasLibrary('girepository-1.0', file);
}

function hasLibrary(folder, file) {
  const triples = ['x86_64-linux-gnu', 'aarch64-linux-gnu', 'arm-linux-gnueabihf', ''];
  return triples.some((triple) => existsSync(join('/usr/lib', triple, folder, file)));
}

function isUbuntu() {
  return osRelease('ID') === 'ubuntu';
}

/** The coming release has no number yet. */
function isDebianFrom(version) {
  return osRelease('ID') === 'debian' && Number(osRelease('VERSION_ID') ?? Infinity) >= version;
}

function osRelease(key) {
  if (!existsSync('/etc/os-release')) return undefined;
  return new RegExp(`^${key}="?([^"\n]*)"?$`, 'm').exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
}
