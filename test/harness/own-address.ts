import { ownAddresses } from '../../src/net/own-addresses.ts';

/** The address that programs on this machine have towards others: neko binds no media to loopback, and coturn relays none there. */
export function ownAddress(): string {
  const [address] = ownAddresses({ withV6: false });
  if (address === undefined) throw new Error('this machine has no address but loopback');
  return address;
}
