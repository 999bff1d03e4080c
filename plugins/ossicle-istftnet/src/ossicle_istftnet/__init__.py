"""iSTFTNet and HiFi-GAN vocoding for ossicle: mel spectrogram to speech."""
