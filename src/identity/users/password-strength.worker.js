import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { adjacencyGraphs, dictionary as common } from '@zxcvbn-ts/language-common';
import { dictionary as english } from '@zxcvbn-ts/language-en';

/** The estimate takes up to a quarter of a second for 72 characters, and grows faster than their number. */
const MAX_LENGTH = 72;

const estimator = new ZxcvbnFactory({
  dictionary: { ...common, ...english },
  graphs: adjacencyGraphs,
  maxLength: MAX_LENGTH,
});
const leaked = new Set(common['passwords-common']);

/** Whether a password is on the list of leaked ones, and its score from 0 to 4, given words that its user is known by. */
const work = ({ password, words }) => ({
  leaked: leaked.has(password.toLowerCase()),
  score: estimator.check(password.slice(0, MAX_LENGTH), words).score,
});

export { work };
