import { z } from 'zod'

// Zod probes `new Function` for speed; our content security policy forbids it and would log every probe (X22).
z.config({ jitless: true })
