# Tests of prompts/.
cn_test(test_prompts_fill DEPS prompts)
