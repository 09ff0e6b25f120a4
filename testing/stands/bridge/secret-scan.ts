import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { guestSecrets } from '@freehold/appliance/vms/guest-secrets'
import type { VmKey } from '@freehold/appliance/chain/installation'

/** A secret in each form in which it might lie about. */
export interface Needle {
  name: string
  forms: Buffer[]
}

/** Something that somebody other than its owner may read: a file, an argument list, an environment, a log. */
export interface Place {
  name: string
  bytes: Buffer
}

const forms = (raw: Buffer): Buffer[] => [
  raw,
  ...(['hex', 'base64', 'base64url'] as const).map((as) => Buffer.from(raw.toString(as).replace(/=+$/, ''))),
  Buffer.from(raw.toString('hex').toUpperCase()),
]

/** Every secret of a host and of one guest. Private halves only: what is public lies about rightly. */
export async function needlesOf(stateFolder: string, key: VmKey): Promise<Needle[]> {
  const needles: Needle[] = []
  const secrets = join(stateFolder, 'secrets')
  // the other key, which paid the deployment, is erased when setup ends
  const digits = /[0-9a-fA-F]{64}/.exec(await readFile(join(secrets, 'provisioner.key'), 'utf8'))?.[0] ?? ''
  needles.push({ name: 'provisioner.key', forms: forms(Buffer.from(digits, 'hex')) })
  const master = await readFile(join(secrets, 'sign-in/master'))
  needles.push({ name: 'master', forms: forms(master) })
  for (const name of ['statement-key.pem', 'login-endpoint.pem', 'user-ca']) {
    const text = await readFile(join(secrets, 'sign-in', name), 'utf8')
    const body = /PRIVATE KEY-----\n([\s\S]*?)\n-----END/.exec(text)?.[1]?.split('\n') ?? []
    // OpenSSH's form begins with the public half
    const lines = body.slice(name === 'user-ca' ? 2 : 0).filter((line) => line.length > 30)
    needles.push({ name, forms: lines.map((line) => Buffer.from(line)) })
  }
  const { secret, token } = guestSecrets(master, key)
  needles.push({ name: 'secret of the VM', forms: forms(Buffer.from(secret, 'hex')) })
  needles.push({ name: 'token of the VM', forms: [Buffer.from(token.split('.')[1] ?? '')] })
  return needles
}

/** All plain files below a folder but those that `leaveOut` names. */
export async function filesIn(folder: string, leaveOut: (path: string) => boolean = () => false): Promise<Place[]> {
  const places: Place[] = []
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && !leaveOut(path)) places.push({ name: path, bytes: await readFile(path) })
  }
  return places
}

/** Arguments and environments of these processes, as anybody on the machine or their own user sees them. */
export async function processesOf(pids: readonly number[]): Promise<Place[]> {
  const read = (pid: number, file: string) =>
    readFile(`/proc/${pid}/${file}`).then(
      (bytes) => [{ name: `${file} of ${pid}`, bytes }],
      () => [],
    )
  return (await Promise.all(pids.flatMap((pid) => [read(pid, 'cmdline'), read(pid, 'environ')]))).flat()
}

/** `secret in place`, for each that was found. */
export function found(needles: readonly Needle[], places: readonly Place[]): string[] {
  return needles.flatMap(({ name, forms: all }) =>
    places
      .filter(({ bytes }) => all.some((form) => form.length > 16 && bytes.includes(form)))
      .map((place) => `${name} in ${place.name}`),
  )
}
