import { sharedService } from './shared.ts'

/** As a test file of a run would: asks for the shared etcd and tells where it is. */
console.log(await sharedService('etcd'))
