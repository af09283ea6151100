"""What led to falls: kept while a policy is evaluated, told apart, shown, and done again."""
