import type { Vm } from './world.ts'

// What a guest says where power is a word only: enough of a shell to tell an exit code and both streams apart.

/** The interfaces of a played guest: loopback, and its card with the address that it was given. */
export function interfacesOf(vm: Vm, given: string | undefined): unknown[] {
  const mac = /=([0-9a-f:]{17})/i.exec(String(vm.config['net0'] ?? ''))?.[1]?.toLowerCase() ?? '00:00:00:00:00:00'
  const [ip = '', prefix = '32'] = (given ?? /(?:^|,)ip=([^,]+)/.exec(String(vm.config['ipconfig0'] ?? ''))?.[1] ?? '').split('/')
  const ipv4 = /^[\d.]+$/.test(ip) ? [{ 'ip-address': ip, 'ip-address-type': 'ipv4', prefix: Number(prefix) }] : []
  const statistics = (packets: number) => ({
    'rx-bytes': packets * 110,
    'rx-dropped': 0,
    'rx-errs': 0,
    'rx-packets': packets,
    'tx-bytes': packets * 82,
    'tx-dropped': 0,
    'tx-errs': 0,
    'tx-packets': packets,
  })
  return [
    {
      name: 'lo',
      'hardware-address': '00:00:00:00:00:00',
      'ip-addresses': [
        { 'ip-address': '127.0.0.1', 'ip-address-type': 'ipv4', prefix: 8 },
        { 'ip-address': '::1', 'ip-address-type': 'ipv6', prefix: 128 },
      ],
      statistics: statistics(0),
    },
    {
      name: 'eth0',
      'hardware-address': mac,
      'ip-addresses': [...ipv4, { 'ip-address': linkLocal(mac), 'ip-address-type': 'ipv6', prefix: 64 }],
      statistics: statistics(1),
    },
  ]
}

/** The address that a card gives itself. Source: RFC 4291, appendix A. */
function linkLocal(mac: string): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac.split(':').map((byte) => Number.parseInt(byte, 16))
  const words = [((a ^ 2) << 8) | b, (c << 8) | 0xff, 0xfe00 | d, (e << 8) | f]
  return `fe80::${words.map((word) => word.toString(16)).join(':')}`
}

/** Runs a command: `/bin/echo`, or a line of `/bin/sh -c` made of `id`, `echo`, `exit`, `sleep`. */
export function runIn(command: readonly string[]): Record<string, unknown> {
  const [path, ...words] = command
  if (path === '/bin/echo') return ended(0, `${words.join(' ')}\n`, '')
  if (path !== '/bin/sh' || words[0] !== '-c') return ended(127, '', 'not found\n')
  let [out, err] = ['', '']
  for (const one of (words[1] ?? '').split(';').map((part) => part.trim())) {
    const [verb = '', ...rest] = one.replace(/\s*>&2$/, '').split(' ')
    const toErr = one.endsWith('>&2')
    if (verb === 'exit') return ended(Number(rest[0] ?? 0), out, err)
    if (verb === 'sleep') return {}
    const said = verb === 'echo' ? `${rest.join(' ')}\n` : verb === 'id' ? 'uid=0(root) gid=0(root) groups=0(root)\n' : undefined
    if (said === undefined) return ended(127, out, `${err}/bin/sh: 1: ${verb}: not found\n`)
    if (toErr) err += said
    else out += said
  }
  return ended(0, out, err)
}

/** What a stream that stayed empty leaves out, as the agent does. */
function ended(exitcode: number, out: string, err: string): Record<string, unknown> {
  return {
    exited: 1,
    exitcode,
    ...(out !== '' && { 'out-data': out, 'out-truncated': 0 }),
    ...(err !== '' && { 'err-data': err, 'err-truncated': 0 }),
  }
}
