import { text, whole, type Context, type Routes } from '../context.ts'
import { openProxy } from '../console.ts'
import { interfacesOf, runIn } from '../played-guest.ts'
import { died, Refusal } from '../refusal.ts'
import type { Vm } from '../world.ts'
import { vmOf } from './vms.ts'

/** The agent does not answer: the server finds that out after some 3 s. */
const silentMs = 3000

async function ask(c: Context, command: string, args?: object): Promise<unknown> {
  const vm = vmOf(c)
  if (!/^(1|.*enabled=1)/.test(String(vm.config['agent'] ?? '0'))) throw died('No QEMU guest agent configured')
  if (vm.power === 'stopped') throw died(`VM ${vm.vmid} is not running`)
  const { machines } = c.world
  try {
    return machines === undefined ? played(c, vm, command, args) : await machines.agent(vm.vmid, command, args)
  } catch (error) {
    if (error instanceof Refusal) throw error
    await c.world.wait(silentMs)
    throw died('QEMU guest agent is not running')
  }
}

const exits = new WeakMap<Vm, Map<number, Record<string, unknown>>>()

/** A guest where power is a word only. */
function played(c: Context, vm: Vm, command: string, args: object = {}): unknown {
  if (c.world.silent.has(vm.vmid)) throw new Error('silent')
  const { file, path, arg } = args as { file?: string; path?: string; arg?: string[] }
  switch (command) {
    case 'guest-network-get-interfaces':
      return interfacesOf(vm, c.world.addresses.get(vm.vmid))
    case 'guest-fsfreeze-freeze':
    case 'guest-fsfreeze-thaw':
      return 1
    case 'guest-fsfreeze-status':
      return 'thawed'
    case 'guest-get-host-name':
      return { 'host-name': vm.config['name'] }
    case 'guest-exec': {
      const all = exits.get(vm) ?? new Map<number, Record<string, unknown>>()
      exits.set(vm, all)
      const pid = 365 + all.size
      all.set(pid, runIn([path ?? '', ...(arg ?? [])]))
      return { pid }
    }
    case 'guest-exec-status':
      return exits.get(vm)?.get((args as { pid: number }).pid) ?? { exited: 1, exitcode: -1 }
    default:
      void file
      return {}
  }
}

const result = (command: string) => async (c: Context) => ({ result: await ask(c, command) })

async function exec(c: Context): Promise<unknown> {
  const given = c.given['command']
  const command = Array.isArray(given) ? given : [String(given ?? '')]
  // one text with a space kills the worker behind the proxy
  if (command.length === 1 && command[0]?.includes(' ') === true) {
    await c.world.wait(5000)
    throw new Refusal(596, 'Broken pipe', { empty: true })
  }
  const [path, ...arg] = command
  return await ask(c, 'guest-exec', { path, arg, 'capture-output': true })
}

/** The guest agent and the consoles. */
export const agentRoutes: Routes = {
  'POST /nodes/{node}/qemu/{vmid}/agent/ping': result('guest-ping'),
  'GET /nodes/{node}/qemu/{vmid}/agent/network-get-interfaces': result('guest-network-get-interfaces'),
  'GET /nodes/{node}/qemu/{vmid}/agent/get-host-name': result('guest-get-host-name'),
  'POST /nodes/{node}/qemu/{vmid}/agent/fsfreeze-status': result('guest-fsfreeze-status'),
  'POST /nodes/{node}/qemu/{vmid}/agent/fsfreeze-freeze': result('guest-fsfreeze-freeze'),
  'POST /nodes/{node}/qemu/{vmid}/agent/fsfreeze-thaw': result('guest-fsfreeze-thaw'),
  'POST /nodes/{node}/qemu/{vmid}/agent/exec': exec,
  'GET /nodes/{node}/qemu/{vmid}/agent/exec-status': async (c) => {
    const answer = (await ask(c, 'guest-exec-status', { pid: whole(c, 'pid') })) as Record<string, unknown>
    const decode = (key: string) =>
      c.world.machines === undefined ? answer[key] : Buffer.from(String(answer[key]), 'base64').toString()
    return {
      ...answer,
      exited: Number(answer['exited'] ?? 0),
      ...Object.fromEntries(['out-data', 'err-data'].filter((key) => answer[key] !== undefined).map((key) => [key, decode(key)])),
    }
  },
  'POST /nodes/{node}/qemu/{vmid}/vncproxy': (c) => proxy(c, 'vncproxy'),
  'POST /nodes/{node}/qemu/{vmid}/termproxy': async (c) => {
    const vm = vmOf(c)
    if (vm.power === 'stopped') throw died(`VM ${vm.vmid} not running`)
    if (c.world.lacks.has('termproxy')) {
      await c.world.wait(10_000)
      throw died(`Timeout while waiting for port '5901' to get ready!`)
    }
    if (vm.config['serial0'] === undefined) throw died('unable to find a serial interface')
    const { cert: _, password: __, ...rest } = proxy(c, 'vncproxy')
    return rest
  },
}

function proxy(c: Context, type: string): Record<string, unknown> {
  const vm = vmOf(c)
  const { port, ticket } = openProxy(c.world, vm.vmid, c.caller.id)
  const upid = c.world.startTask(text(c, 'node'), type, String(vm.vmid), c.caller.id, async () => undefined)
  return { cert: '<pem>', password: 'secret12', port: String(port), ticket, upid, user: c.caller.id }
}
