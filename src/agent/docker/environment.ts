import type { SessionSpec } from '../../protocol/session.ts';
import type { UdpPorts } from './udp-slices.ts';

/** Where neko answers inside its container. */
export const NEKO_PORT = 8080;

export interface ContainerSettings {
  spec: SessionSpec;
  ports: UdpPorts;
  /** All viewers on one port, instead of one each. */
  udpMux: boolean;
  /** Also offer WebRTC over this TCP port of the container, which is never published. */
  tcpMux?: number | undefined;
  nat1to1: readonly string[];
  secrets: { adminPassword: string; userPassword: string };
}

/**
 * How a container's neko is told what to be: by neko's own variables alone, so that any neko v3 image will do. Ours reads NEKOGATE_* beside
 * them. As on the command line (`nekoCommand`), every setting that we rely on is passed, since defaults change between releases.
 */
export function containerEnvironment({
  spec,
  ports,
  udpMux,
  tcpMux,
  nat1to1,
  secrets,
}: ContainerSettings): Record<string, string> {
  const { width, height, rate } = spec.screen;
  return {
    ...spec.environment,
    ...(spec.app ? { NEKOGATE_APP: JSON.stringify(spec.app) } : {}),
    NEKOGATE_AUDIO: spec.audio ? '1' : '0',
    ...(spec.accessibility && { NEKOGATE_ACCESSIBILITY: '1' }),
    NEKO_SERVER_BIND: `0.0.0.0:${NEKO_PORT}`,
    NEKO_SERVER_METRICS: 'true',
    NEKO_DESKTOP_SCREEN: `${width}x${height}@${rate}`,
    NEKO_WEBRTC_ICELITE: 'true',
    NEKO_WEBRTC_ICETRICKLE: 'true',
    ...(udpMux ? { NEKO_WEBRTC_UDPMUX: String(ports.min) } : { NEKO_WEBRTC_EPR: `${ports.min}-${ports.max}` }),
    ...(tcpMux === undefined ? {} : { NEKO_WEBRTC_TCPMUX: String(tcpMux) }),
    NEKO_WEBRTC_NAT1TO1: nat1to1.join(','),
    NEKO_WEBRTC_ICESERVERS_FRONTEND: '[]',
    NEKO_WEBRTC_ICESERVERS_BACKEND: '[{"urls":[]}]',
    NEKO_WEBRTC_ESTIMATOR_ENABLED: 'false',
    NEKO_MEMBER_PROVIDER: 'multiuser',
    NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD: secrets.adminPassword,
    NEKO_MEMBER_MULTIUSER_USER_PASSWORD: secrets.userPassword,
    NEKO_SESSION_API_TOKEN: secrets.adminPassword,
    NEKO_SESSION_COOKIE_ENABLED: 'false',
    NEKO_SESSION_IMPLICIT_HOSTING: 'false',
    NEKO_SESSION_MERCIFUL_RECONNECT: 'true',
    NEKO_SESSION_INACTIVE_CURSORS: 'false',
    NEKO_SESSION_PRIVATE_MODE: 'false',
    NEKO_SESSION_LOCKED_LOGINS: 'false',
    NEKO_SESSION_LOCKED_CONTROLS: 'false',
    NEKO_SESSION_CONTROL_PROTECTION: 'false',
    NEKO_SESSION_HEARTBEAT_INTERVAL: '10',
    NEKO_PLUGINS_ENABLED: 'false',
    NEKO_LEGACY: 'false',
    NEKO_CHAT_ENABLED: 'false',
    NEKO_FILETRANSFER_ENABLED: 'false',
    NEKO_OPENINAPP_ENABLED: 'false',
  };
}

/** The password of neko's administrator in a container's environment. */
export function adminPasswordOf(environment: readonly string[]): string | undefined {
  const name = 'NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD=';
  return environment.find((entry) => entry.startsWith(name))?.slice(name.length);
}
