"""GAN, auto-encoder, classifier and judge as pure functions, and the training of what is made once."""
