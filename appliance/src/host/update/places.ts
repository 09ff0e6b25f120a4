/** Where an update finds and leaves what it needs. */
export const places = {
  /** Public key of the repository, put there when the package was built. No setting replaces it. */
  key: '/usr/share/freehold/update/key.asc',
  /** Address of the repository, one line: as built, and the operator's own. A folder (`file:/…`) or a URL. */
  repository: '/usr/share/freehold/update/repository',
  ownRepository: '/etc/freehold/update-repository',
  /** Journal, packages of before and after, copy of the database, and the program that takes an update back. */
  state: '/var/lib/freehold-update',
  /** Those that newer programs may change in form. */
  databases: ['/var/lib/freehold/freehold.db', '/var/lib/freehold-wasm/wasm.db'],
  /** The daemon's door for the host itself. */
  socket: '/var/lib/freehold/run/admin.sock',
} as const

/** Packages of ours, in the order in which they depend on each other. */
export const packageNames = ['freehold', 'freehold-web'] as const

/** What is stopped before the database is copied, and started afterwards; the doors of strangers last. */
export const units = ['freeholdd.service', 'freehold-wasmd.service', 'freehold-web.service'] as const
