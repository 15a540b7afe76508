import { z } from 'zod';
import { listSessionFolders } from '../../src/desktop/folder.ts';
import { readOrder } from '../../src/desktop/state.ts';
import { openBrowser } from '../harness/browser.ts';
import { grant, openHouse } from '../harness/house.ts';
import { openBadNetwork } from './bad-network.ts';
import { movingTerminal, type Watched } from './run.ts';

/** A moving desktop on this host, and a browser at the other end of a bad network. */
export async function openBadNetworkHouse({ rate }: { rate: number }): Promise<Watched & AsyncDisposable> {
  await using opening = new AsyncDisposableStack();
  const network = opening.use(await openBadNetwork());
  const { hostAddress, publicAddress } = network;
  const house = opening.use(await openHouse({ host: hostAddress, nat1to1: [publicAddress] }));
  const { id } = await house.callApi(
    'POST',
    '/api/v1/sessions?wait=ready',
    z.object({ id: z.string(), state: z.literal('running') }),
    { app: movingTerminal(), audio: false, screen: { width: 640, height: 480, rate } },
  );
  const [folder = ''] = listSessionFolders(house.environment.runtimeDir);
  const { port } = new URL(house.gateway.url);
  await network.relay({ udp: (await readOrder(folder)).ports.udp, tcp: Number(port) });
  const origin = `http://${publicAddress}:${port}`;
  const browser = opening.use(
    await openBrowser({
      executablePath: network.chromium,
      // As behind TLS, which this network has none of.
      args: [`--unsafely-treat-insecure-origin-as-secure=${origin}`],
    }),
  );
  const { viewUrl } = await grant(house, id, 'viewer');
  const owned = opening.move();
  return {
    network,
    browser,
    viewUrl: viewUrl.replace(house.gateway.url, origin),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}
