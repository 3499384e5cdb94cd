import { Injectable } from '@nestjs/common';

/** How sign-ins ended since start. */
@Injectable()
export class SignInOutcomes {
  succeeded = 0;
  /** The password was looked at, and it or the user was not right. */
  failed = 0;
  /** The password was not looked at. */
  refused = 0;
  /** It could not be decided: PostgreSQL away, too many hashes waiting, as many sessions as the user may have. */
  errors = 0;
}
