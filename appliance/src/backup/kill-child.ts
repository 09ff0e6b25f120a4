import { join } from 'node:path'
import { backupName, partOf } from './folder.ts'
import { hostKeys } from './keys.ts'
import { writeSealed } from './seal.ts'
import { testInstallation } from './test-stand.ts'

/** Seals a file without an end into the folder of backups, to be killed meanwhile. For tests only. */
const [stateFolder = '', drive = '', recipient = ''] = process.argv.slice(2)
const { seal } = await hostKeys({ recipient }, join(stateFolder, 'secrets'))
await writeSealed(
  join(drive, partOf(backupName(testInstallation, 1))),
  {
    format: 'freehold-backup',
    version: 1,
    product: '',
    createdAt: 1,
    origin: '',
    installations: [],
    schema: '',
    vms: 0,
    files: [],
    links: [],
  },
  // noise, so that gzip and cipher pass it on at once
  [{ path: 'freehold.db', bytes: 2 ** 32, sha256: '', mode: 0o600, from: { file: '/dev/urandom' } }],
  seal,
)
