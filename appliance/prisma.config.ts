import { defineConfig } from 'prisma/config'

// Read by `prisma generate` alone. The daemon opens its database through src/store/database.ts.
export default defineConfig({ schema: 'src/store/schema.prisma' })
